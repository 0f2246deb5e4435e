"""What several families, and scaling, measure with. An edit here re-runs every family that uses
it."""
