"""The rooms of proxies/overparam_generation.py: OP-LoRA on image generation."""
