"""DoRA: the low-rank update changes the directions of the weight's rows, and a trained vector holds
their lengths (arXiv:2402.09353).

    y = diag(m / n) V x + b,    V = W + s (B A - B0 A0),    n = row norms of V.

m is initialized to the row norms of W, so m = n and the function is unchanged, exactly and in every
dtype. n is a constant in backward, as in the paper's section 4.3 (`lora.norms`).
"""

from collections.abc import Iterator
from typing import Any, final

import torch
from torch import Tensor, nn

from lora.bases import weight_of
from lora.layer import Kind
from lora.norms import row_norms
from lora.parts import Parts
from lora.variants.factored import FactoredLinear


@final
class Dora(FactoredLinear):
    """Attributes besides those of every layer: `magnitude`, the m above, (out,)."""

    exported_as = "dora"

    def __init__(self, base_layer: nn.Module, *settings: Any, **more: Any) -> None:
        super().__init__(base_layer, *settings, **more)
        self.magnitude = nn.Parameter(row_norms(weight_of(base_layer).detach()).to(self.B.dtype))

    def parts(self) -> Parts:
        return Parts(self.B, self.A, magnitudes=self.magnitude)

    @torch.no_grad()
    def lengthened(self, change: Tensor) -> None:
        self.magnitude.add_(change)

    def trained(self) -> Iterator[tuple[Kind, nn.Parameter]]:
        yield from super().trained()
        yield "magnitude", self.magnitude
