"""LoRALinear: a frozen linear layer with a trained low-rank update."""

import sys

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lora.product import low_rank_linear
from lora.schemes import Factors


def is_conv1d(module: nn.Module) -> bool:
    """Whether this is transformers' Conv1D, a linear layer that stores its weight as (in, out).

    transformers is looked up, never imported: a model can hold a Conv1D only where it is loaded already.
    """
    library = sys.modules.get("transformers.pytorch_utils")
    return library is not None and isinstance(module, library.Conv1D)


def is_supported(module: nn.Module) -> bool:
    """Whether the module computes x W^T + b by its own forward.

    A subclass with another forward (a quantised layer) does not. Neither does the output projection inside
    nn.MultiheadAttention, which is a Linear by type, but whose forward is never called.
    """
    if isinstance(module, nn.modules.linear.NonDynamicallyQuantizableLinear):
        return False
    return is_conv1d(module) or (isinstance(module, nn.Linear) and type(module).forward is nn.Linear.forward)


def weight_of(module: nn.Module) -> Tensor:
    """The weight as (out, in), for Conv1D as a view."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight.mT if is_conv1d(module) else weight


class LoRALinear(nn.Module):
    """y = W x + b + s (B A - B0 A0) x, with W and the start (B0, A0) frozen.

    Inside, the update is s [B - B0, B0] [A; A - A0] x, the same matrix written so that it vanishes exactly, in
    every dtype, while (B, A) is at its start. Where B0 A0 = 0 there is no pair and the update is s B A x.

    Attributes: `base_layer` (untouched), `B` (out, r), `A` (r, in), `B0`, `A0` (the same shapes, or None), `scale`.
    The factors are kept in float32 at least, whatever the base.
    """

    B0: Tensor | None
    A0: Tensor | None
    kept_weight: nn.Parameter | None

    def __init__(
        self,
        base_layer: nn.Module,
        factors: Factors,
        scale: float,
        start: Factors | None = None,
        dropout: float = 0.0,
        train_a: bool = True,
        train_b: bool = True,
    ) -> None:
        """`start` is the frozen pair (B0, A0), needed where the factors begin at B A != 0."""
        super().__init__()
        self.base_layer = base_layer
        own = lambda factor: factor.clone(memory_format=torch.contiguous_format)
        self.B = nn.Parameter(own(factors.B), requires_grad=train_b)
        self.A = nn.Parameter(own(factors.A), requires_grad=train_a)
        self.register_buffer("B0", own(start.B) if start else None)
        self.register_buffer("A0", own(start.A) if start else None)
        self.scale = scale
        self.dropout = dropout
        self.merged = False
        self.register_parameter("kept_weight", None)

    @property
    def rank(self) -> int:
        return self.A.shape[0]

    @property
    def weight(self) -> Tensor:
        """The base layer's, as it stores it: some models read it."""
        return self.base_layer.weight  # type: ignore[return-value]

    @property
    def bias(self) -> Tensor | None:
        return self.base_layer.bias  # type: ignore[return-value]

    @property
    def in_features(self) -> int:
        return self.A.shape[1]

    @property
    def out_features(self) -> int:
        return self.B.shape[0]

    @property
    def path(self) -> str:
        """How the next forward is computed: "fused", "merged", or "unfused" with the reason."""
        if self.merged:
            return "merged"
        if self.dropout and self.training:
            return f"unfused: dropout {self.dropout:g} acts on the input of the trained branch alone"
        base = self.base_layer
        if base._forward_hooks or base._forward_pre_hooks or base._backward_hooks or "forward" in vars(base):
            return "unfused: the base layer has hooks, which must see its own forward"
        return "fused"

    def update(self) -> tuple[Tensor, Tensor]:
        """(L, R) of the update s L R = s (B A - B0 A0): L is (out, k) and R is (k, in) with k = r or 2 r."""
        if self.B0 is None or self.A0 is None:
            return self.B, self.A
        return torch.cat([self.B - self.B0, self.B0], 1), torch.cat([self.A, self.A - self.A0])

    def forward(self, x: Tensor) -> Tensor:
        path = self.path
        if path == "merged":
            return self.base_layer(x)
        if path == "fused":
            return low_rank_linear(x, weight_of(self.base_layer), self.bias, *self.update(), self.scale)
        return self.base_layer(x) + self._branch(x)

    def _branch(self, x: Tensor) -> Tensor:
        """The update by plain autograd. Dropout acts on the trained branch, never on the frozen start:
        B A drop(x) - B0 A0 x = L R x + B A (drop(x) - x)."""
        L, R = (factor.to(x.dtype) for factor in self.update())
        y = F.linear(F.linear(x, R), L)
        if self.dropout and self.training:
            change = F.dropout(x, self.dropout) - x
            y = y + F.linear(F.linear(change, self.A.to(x.dtype)), self.B.to(x.dtype))
        return self.scale * y

    @torch.no_grad()
    def merged_weight(self) -> Tensor:
        """W + s (B A - B0 A0) as the base layer stores it, computed in float32 at least and rounded once.

        Raises ValueError when it is not finite.
        """
        W = weight_of(self.base_layer)
        L, R = self.update()
        merged = torch.addmm(W.to(L.dtype), L, R, alpha=self.scale).to(W.dtype)
        if bad := int((~merged.isfinite()).sum()):
            raise ValueError(f"the merged weight would have {bad} entries that are NaN or infinite")
        return merged.mT.contiguous() if is_conv1d(self.base_layer) else merged

    def merge(self, keep_base: bool = True) -> None:
        """Give the base layer a merged copy of its weight; the original is kept aside unless told otherwise."""
        if not self.merged:
            merged = nn.Parameter(self.merged_weight(), requires_grad=False)
            self.kept_weight = self.base_layer.weight if keep_base else None  # type: ignore[assignment]
            self.base_layer.weight = merged
            self.merged = True

    def unmerge(self) -> None:
        """Put the original weight back: the very same tensor, so bit for bit. Raises ValueError when it is gone."""
        if self.merged:
            if self.kept_weight is None:
                raise ValueError("it was merged with keep_base=False, so the original weight is gone")
            self.base_layer.weight, self.kept_weight = self.kept_weight, None
            self.merged = False

    def extra_repr(self) -> str:
        return f"rank={self.rank}, scale={self.scale:g}, path={self.path!r}"


VARIANTS = {"plain": LoRALinear}
