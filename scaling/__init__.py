"""The same `lora` library on real models and tasks."""
