"""What a study runs besides the trials of a sweep."""
