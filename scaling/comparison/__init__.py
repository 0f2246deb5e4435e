"""Methods compared on one task: a grid of fine-tuning runs, and what it says."""
