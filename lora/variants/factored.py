"""The common base of the variants whose B and A are parameters."""

from abc import ABC
from collections.abc import Iterator
from typing import Any

from torch import Generator, nn

from lora.copies import own
from lora.layer import Kind, LoRALinear
from lora.parts import Parts
from lora.schemes import Factors


class FactoredLinear(LoRALinear, ABC):
    """A layer whose parameters are B (out, r) and A (r, in)."""

    def __init__(
        self,
        base_layer: nn.Module,
        factors: Factors,
        scale: float,
        frozen: Factors | None = None,
        dropout: float = 0.0,
        train_a: bool = True,
        train_b: bool = True,
        rng: Generator | None = None,
        options: Any = None,
    ) -> None:
        """The layer with these factors.

        Args:
            base_layer: a layer that `lora.bases` knows.
            factors: the initial B (out, r) and A (r, in).
            scale: s.
            frozen: the pair (B0, A0), needed where the initial B A is not zero.
            dropout: probability on the input of the trained branch.
            train_a: False freezes A.
            train_b: False freezes B.
            rng: for the variants that draw further numbers.
            options: for the variants that declare `Options`.
        """
        del rng, options
        super().__init__(base_layer, scale, frozen, dropout)
        self.B = nn.Parameter(own(factors.B), requires_grad=train_b)
        self.A = nn.Parameter(own(factors.A), requires_grad=train_a)

    def parts(self) -> Parts:
        return Parts(self.B, self.A)

    def trained(self) -> Iterator[tuple[Kind, nn.Parameter]]:
        yield "A", self.get_parameter("A")
        yield "B", self.get_parameter("B")
