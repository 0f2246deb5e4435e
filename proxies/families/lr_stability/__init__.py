"""The rooms of proxies/lr_stability.py: learning rates in wide networks."""
