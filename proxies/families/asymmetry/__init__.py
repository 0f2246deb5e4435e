"""The rooms of proxies/asymmetry.py: one frozen factor."""
