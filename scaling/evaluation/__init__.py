"""Evaluation: metrics, generated text, images and episodes."""
