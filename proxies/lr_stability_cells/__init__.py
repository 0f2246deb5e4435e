"""Cells of the learning-rate family."""
