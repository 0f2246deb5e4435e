"""What a study runs: the methods of its sweep, and trials besides those of the sweep."""
