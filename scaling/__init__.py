"""The adapter library on real models and tasks."""
