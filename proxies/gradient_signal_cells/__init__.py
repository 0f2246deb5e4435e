"""Measurements of EVA's start and its rivals: each function is a cell, a pure function of JSON-like arguments."""
