"""Measurements of Nyström starts: each function is a cell, a pure function of JSON-like arguments."""
