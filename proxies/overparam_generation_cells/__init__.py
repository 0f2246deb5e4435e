"""Cells of the image-generation family."""
