"""Plain LoRA: the factors are the parameters (arXiv:2106.09685)."""

from typing import final

from lora.variants.factored import FactoredLinear


@final
class Plain(FactoredLinear):
    """y = W x + b + s (B A - B0 A0) x."""
