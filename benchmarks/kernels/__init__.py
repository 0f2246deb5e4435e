"""Candidates: kernels that are measured here, and move into lora/ once a profile asks for them."""
