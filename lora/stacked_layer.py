"""One base layer with the adapters of K trials: `lora.stacked` (1)."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from lora.layer import LoRALinear


@final
class StackedLinear(nn.Module):
    """B is (K, out, r), A (K, r, in), and the frozen pair B0, A0 the same, or None."""

    B0: Tensor | None
    A0: Tensor | None
    scale: Tensor

    def __init__(self, base_layer: nn.Module, layers: Sequence[LoRALinear]) -> None:
        super().__init__()
        self.base_layer = base_layer
        first = layers[0]
        B, A = (torch.stack([layer.factors()[i].detach() for layer in layers]) for i in (0, 1))
        self.B = nn.Parameter(B, requires_grad=first.B.requires_grad)
        self.A = nn.Parameter(A, requires_grad=first.A.requires_grad)
        self.register_buffer("B0", _stacked([layer.B0 for layer in layers], B))
        self.register_buffer("A0", _stacked([layer.A0 for layer in layers], A))
        scales = B.new_tensor([layer.scale for layer in layers])
        self.register_buffer("scale", scales[:, None, None])

    @property
    def weight(self) -> Tensor:
        """The base layer's: some models read it."""
        return self.base_layer.weight  # type: ignore[return-value]

    @property
    def bias(self) -> Tensor | None:
        return getattr(self.base_layer, "bias", None)

    def forward(self, x: Tensor) -> Tensor:
        K, L, R = len(self.B), self.B, self.A
        if len(x) % K:
            raise ValueError(f"the batch has {len(x)} rows, which {K} trials cannot share evenly")
        if self.B0 is not None and self.A0 is not None:
            L = torch.cat([L - self.B0, self.B0], 2)
            R = torch.cat([R, R - self.A0], 1)
        y = self.base_layer(x)
        rows = x.reshape(K, -1, x.shape[-1])
        low = torch.bmm(rows, R.to(x.dtype).mT)
        L = (self.scale * L).to(x.dtype)
        return torch.baddbmm(y.view(K, -1, y.shape[-1]), low, L.mT).view(y.shape)


def _stacked(parts: Sequence[Tensor | None], like: Tensor) -> Tensor | None:
    """The parts, with zeros for a trial that has none: its update is the same with a zero pair."""
    if all(part is None for part in parts):
        return None
    zero = torch.zeros_like(like[0])
    return torch.stack([zero if part is None else part for part in parts])
