"""One script per claim family: figures from the run store, the same bytes for the same run."""
