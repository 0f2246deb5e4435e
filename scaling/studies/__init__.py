"""Claims on pretrained models."""
