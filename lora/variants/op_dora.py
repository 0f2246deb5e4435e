"""OP-DoRA: one generator network makes B, A and a change of the magnitudes (arXiv:2412.10362; the
paper leaves its initialization open).

    y = diag((n0 + dm) / n) V x + b,    V = W + s (B A - B0 A0),

with n the row norms of V, n0 those of W, and dm = 0 at first, by a head that is zero. Everything
else is as in `lora.variants.dora`; saved as DoRA.
"""

from typing import Any, final

import torch
from torch import Tensor, nn

from lora.bases import weight_of
from lora.norms import row_norms
from lora.parts import Parts
from lora.variants.overparam import GeneratedLinear


@final
class OverparamDora(GeneratedLinear):
    """Attributes besides those of every layer: `generator`, and `norms`, the n0 above, (out,)."""

    exported_as = "dora"
    norms: Tensor

    def __init__(self, base_layer: nn.Module, *settings: Any, **more: Any) -> None:
        super().__init__(base_layer, *settings, **more)
        self.register_buffer("norms", row_norms(weight_of(base_layer).detach()))

    def more_values(self, like: Tensor) -> dict[str, Tensor]:
        return {"magnitude": like.new_zeros(self.out_features)}

    def parts(self) -> Parts:
        values = self.generator()
        return Parts(values["B"], values["A"], magnitudes=self.norms + values["magnitude"])

    @torch.no_grad()
    def lengthened(self, change: Tensor) -> None:
        self.norms.add_(change)
