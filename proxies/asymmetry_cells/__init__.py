"""The measurements of proxies/asymmetry.py."""
