from lora.schemes import SCHEMES, Factors

__all__ = ["SCHEMES", "Factors"]
