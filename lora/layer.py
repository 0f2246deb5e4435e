"""LoRALinear: a frozen linear layer with a trained low-rank update, whatever the variant of its
parameters."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from lora.bases import base_of, shape_of, weight_of
from lora.branch import columns, on_ids, on_vectors, without_padding
from lora.processes import is_sharded
from lora.product import low_rank_linear, rescaled
from lora.schemes import Factors

Kind = Literal["A", "B", "magnitude", "generator", "generator of B", "directions"]


class Route(Enum):
    """How a forward is computed; the value is the sentence that `LoRALinear.path` gives."""

    MERGED = "merged"
    FUSED = "fused"
    GATHERED = "gathered"
    QUANTISED = "unfused: quantised base"
    DROPOUT = "unfused: dropout {dropout:g} acts on the input of the trained branch alone"
    HOOKED = "unfused: the base layer has hooks, which must see its own forward"


@dataclass(frozen=True)
class NoOptions:
    """The options of a variant that has none."""


class LoRALinear(nn.Module, ABC):
    """y = W x + b + s (B A - B0 A0) x, with W and the initial pair (B0, A0) frozen.

    Inside, the update is s [B - B0, B0] [A; A - A0] x, the same matrix written so that it vanishes
    exactly, in every dtype, while (B, A) is (B0, A0). Where B0 A0 = 0 there is no pair and the
    update is s B A x.

    A variant says where B and A come from (`factors`), may add columns to the update (`extension`)
    and may rescale its rows (`magnitudes`). Its class is a row of `lora.VARIANTS`, and no class is
    derived from it.

    Attributes: `base_layer` (untouched), `B` (out, r), `A` (r, in), `B0`, `A0` (the same shapes, or
    None), `scale`. Everything trained is in float32 at least, whatever the base weight is in.
    """

    Options: ClassVar[type] = NoOptions
    exported_as: ClassVar[str] = "plain"
    """the variant that `lora.load` makes of a saved layer: the function is the same, its parameters
    may be fewer"""

    B: Tensor
    A: Tensor
    B0: Tensor | None
    A0: Tensor | None
    kept_weight: nn.Parameter | None

    def __init__(
        self, base_layer: nn.Module, scale: float, frozen: Factors | None, dropout: float
    ) -> None:
        """`frozen` is the pair (B0, A0), needed where the initial B A is not zero."""
        super().__init__()
        self.base_layer = base_layer
        self.register_buffer("B0", own(frozen.B) if frozen else None)
        self.register_buffer("A0", own(frozen.A) if frozen else None)
        self.scale = scale
        self.dropout = dropout
        self.merged = False
        self.register_parameter("kept_weight", None)

    @classmethod
    def check(cls, options: Any, scheme: str, train_a: bool, train_b: bool) -> None:
        """Raise ValueError for settings that this variant cannot have together."""

    @classmethod
    def check_shape(cls, options: Any, shape: tuple[int, int]) -> None:
        """Raise ValueError for a weight (out, in) that is too small for these options."""

    @abstractmethod
    def factors(self) -> Factors:
        """(B, A) as they stand, differentiable in what is trained."""

    @abstractmethod
    def trained(self) -> Iterator[tuple[Kind, nn.Parameter]]:
        """The layer's own parameters, each once with its kind; those that do not require a gradient
        are among them."""

    def extension(self) -> tuple[Tensor, Tensor] | None:
        """(L, R) of a further term s L R of the update that vanishes at first, if the variant has
        one."""
        return None

    def magnitudes(self) -> Tensor | None:
        """The norm (out,) that each row of the adapted weight is given, if the variant rescales
        rows."""
        return None

    @property
    def rank(self) -> int:
        return self.A.shape[0]

    @property
    def weight(self) -> Tensor:
        """The base layer's weight as it stores it: some models read it."""
        return self.base_layer.weight  # type: ignore[return-value]

    @property
    def bias(self) -> Tensor | None:
        return getattr(self.base_layer, "bias", None)  # an embedding has none

    @property
    def in_features(self) -> int:
        return shape_of(self.base_layer)[1]

    @property
    def out_features(self) -> int:
        return shape_of(self.base_layer)[0]

    @property
    def route(self) -> Route:
        """How the next forward is computed."""
        if self.merged:
            return Route.MERGED
        base = self.base_layer
        kind = base_of(base)
        if kind.reads_ids:
            return Route.GATHERED
        if kind.quantised:
            return Route.QUANTISED
        if self.dropout and self.training:
            return Route.DROPOUT
        hooks = base._forward_hooks or base._forward_pre_hooks or base._backward_hooks
        return Route.HOOKED if hooks or "forward" in vars(base) else Route.FUSED

    @property
    def path(self) -> str:
        """The same as a sentence: "fused", "gathered", "merged", or "unfused" with the reason."""
        return self.route.value.format(dropout=self.dropout)

    def update(self, ids: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(L, R) of the update s L R = s (B A - B0 A0) and the extension: L is (out, k) and R is
        (k, in), or (k, n) where n `ids` choose its columns."""
        L, R = self.factors()
        R = columns(R, ids)
        if self.B0 is not None and self.A0 is not None:
            L, R = torch.cat([L - self.B0, self.B0], 1), torch.cat([R, R - columns(self.A0, ids)])
        return self._extended(L, R, ids)

    def exported(self) -> Factors:
        """The same update as a pair of plain factors, [B, extension, -B0] [A; extension; A0]."""
        L, R = self._extended(*self.factors())
        if self.B0 is not None and self.A0 is not None:
            L, R = torch.cat([L, -self.B0], 1), torch.cat([R, self.A0])
        return Factors(L, R)

    def _extended(self, L: Tensor, R: Tensor, ids: Tensor | None = None) -> tuple[Tensor, Tensor]:
        more = self.extension()
        return (
            (L, R)
            if more is None
            else (torch.cat([L, more[0]], 1), torch.cat([R, columns(more[1], ids)]))
        )

    def forward(self, x: Tensor) -> Tensor:
        route, base = self.route, self.base_layer
        if route is Route.MERGED:
            return base(x)
        if route is Route.FUSED:
            y = low_rank_linear(x, weight_of(base), self.bias, *self.update(), self.scale)
        else:
            y = base(x) + self._branch(x, x.reshape(-1) if route is Route.GATHERED else None)
        if (excess := self._excess()) is not None:
            y = rescaled(y, self.bias, excess)
        if route is Route.GATHERED:
            y = without_padding(x, y, base.padding_idx)  # type: ignore[arg-type]
        return y

    def _branch(self, x: Tensor, ids: Tensor | None) -> Tensor:
        """s L R x; `ids` are the indices that x holds, where the base layer reads indices."""
        apply, dtype = (on_vectors, x.dtype) if ids is None else (on_ids, self.weight.dtype)
        L, R = self.update(ids)
        trained = None
        if self.dropout and self.training:
            B, A = self.factors()
            B, A = self._extended(B, columns(A, ids), ids)
            trained = B.to(dtype), A.to(dtype)
        return self.scale * apply(x, (L.to(dtype), R.to(dtype)), trained, self.dropout)

    def _excess(self) -> Tensor | None:
        """m / n - 1 by row, where n is the norm of the row of W + s L R, a constant in backward
        (arXiv:2402.09353, section 4.3). While L R = 0 and m is the row norm of W this is 0 exactly,
        since n is computed as m was."""
        m = self.magnitudes()
        if m is None:
            return None
        n = row_norms(self.dense())
        # a row that vanishes has no direction
        return torch.where(n > 0, m - n, 0) / torch.where(n > 0, n, 1)

    @torch.no_grad()
    def dense(self) -> Tensor:
        """W + s L R as (out, in), in float32 at least."""
        W = weight_of(self.base_layer)
        with torch.autocast(W.device.type, enabled=False):
            L, R = self.update()
            return torch.addmm(W.to(L.dtype), L, R, alpha=self.scale)

    @torch.no_grad()
    def merged_weight(self) -> Tensor:
        """The adapted weight as the base layer stores it, computed in float32 at least and rounded
        once.

        Raises ValueError when it is not finite, or the base is quantised or sharded.
        """
        if base_of(self.base_layer).quantised:
            raise ValueError(
                "a quantised weight cannot hold the merged one; save the adapter, and merge it on "
                "the model as it was before quantisation"
            )
        if is_sharded(self.weight):
            raise ValueError(
                "a weight that is sharded between processes cannot hold the merged one; save the "
                "adapter, and merge it on a model that is whole"
            )
        merged, excess = self.dense(), self._excess()
        if excess is not None:
            merged = merged * (1 + excess)[:, None]
        merged = merged.to(self.weight.dtype)
        if bad := int((~merged.isfinite()).sum()):
            raise ValueError(f"the merged weight would have {bad} entries that are NaN or infinite")
        return merged.mT.contiguous() if base_of(self.base_layer).transposed else merged

    def merge(self, keep_base: bool = True) -> None:
        """Give the base layer the merged weight; the original is stored for `unmerge` if asked."""
        if not self.merged:
            merged = nn.Parameter(self.merged_weight(), requires_grad=False)
            self.kept_weight = self.base_layer.weight if keep_base else None  # type: ignore[assignment]
            self.base_layer.weight = merged
            self.merged = True

    def unmerge(self) -> None:
        """Put the original weight back: the very same tensor, so bit for bit.

        Raises ValueError when it is gone.
        """
        if self.merged:
            if self.kept_weight is None:
                raise ValueError(
                    "it was merged with keep_base=False, so the original weight is gone"
                )
            self.base_layer.weight, self.kept_weight = self.kept_weight, None
            self.merged = False

    def extra_repr(self) -> str:
        return f"rank={self.rank}, scale={self.scale:g}, path={self.path!r}"


def own(factor: Tensor) -> Tensor:
    return factor.detach().clone(memory_format=torch.contiguous_format)


def row_norms(W: Tensor) -> Tensor:
    return torch.linalg.vector_norm(W, dim=1)
