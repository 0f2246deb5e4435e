"""The rooms of proxies/gradient_signal.py: EVA's initialization and what it competes with."""
