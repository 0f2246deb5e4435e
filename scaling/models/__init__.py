"""Models that are not transformers' alone: diffusion networks and pipelines, classification
heads."""
