"""Measurements of the lr_stability family."""
