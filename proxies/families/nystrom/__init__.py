"""The rooms of proxies/nystrom.py: Nyström initializations."""
