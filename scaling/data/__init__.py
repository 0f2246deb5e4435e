"""Data: files, texts, images, episodes, and what a model reads of them."""
