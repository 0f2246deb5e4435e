"""Measurements of generalisation bounds: each function is a cell, a pure function of JSON-like arguments."""
