"""The rooms of proxies/generalization.py: bounds on the generalisation gap."""
