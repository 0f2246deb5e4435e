"""Cells of the task-directions family."""
