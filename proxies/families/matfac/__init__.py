"""The rooms of proxies/matfac.py: OP-LoRA on low-rank matrix factorisation."""
