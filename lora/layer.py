"""LoRALinear: a frozen linear layer with a trained low-rank update, whatever the variant of its
parameters."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from lora.bases import base_of, shape_of, weight_of
from lora.branch import on_ids, on_vectors, without_padding
from lora.casts import in_float32, stored
from lora.copies import holding, own
from lora.finite import bad_entries
from lora.norms import Norms, excess, growth, row_norms
from lora.parts import Parts
from lora.processes import is_sharded
from lora.product import low_rank_linear, rescaled
from lora.route import Route, route_of
from lora.schemes import Factors
from lora.shared import Share

Kind = Literal["A", "B", "magnitude", "generator", "generator of B", "directions"]


@dataclass(frozen=True)
class NoOptions:
    """The options of a variant that has none."""


class LoRALinear(nn.Module, ABC):
    """y = W x + b + s (B A - B0 A0) x, with W and the initial pair (B0, A0) frozen.

    Inside, the update is s [B - B0, B0] [A; A - A0] x, the same matrix written so that it vanishes
    exactly, in every dtype, while (B, A) is (B0, A0). Where B0 A0 = 0 there is no pair and the
    update is s B A x.

    A variant says what the update is made of (`parts`), which each forward asks for once: B and A,
    perhaps further columns, perhaps the norms of the rows. Its class is a row of `lora.VARIANTS`,
    and no class is derived from it.

    Attributes: `base_layer` (untouched; while merged a twin of it with the merged weight, and the
    layer itself is `kept_base`), `B` (out, r), `A` (r, in), `B0`, `A0` (the same shapes, or None),
    `scale`. Everything trained is in float32 at least, whatever the base weight is in or is cast
    to: `.half()` casts the base layer alone.
    """

    Options: ClassVar[type] = NoOptions
    exported_as: ClassVar[str] = "plain"
    """the variant that `lora.load` makes of a saved layer: the function is the same, its parameters
    may be fewer"""

    B: Tensor
    A: Tensor
    B0: Tensor | None
    A0: Tensor | None
    base_layer: nn.Module
    kept_base: nn.Module | None

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
        self.merged = self.disabled = False
        self.kept_base = None
        self.base_norms = Norms()
        self.share: Callable[[Tensor], Share | None] | None = None  # within `lora.joint`

    @classmethod
    def check(cls, options: Any, scheme: str, train_a: bool, train_b: bool) -> None:
        """Raise ValueError for settings that this variant cannot have together."""

    @classmethod
    def check_shape(cls, options: Any, shape: tuple[int, int]) -> None:
        """Raise ValueError for a weight (out, in) that is too small for these options."""

    @abstractmethod
    def parts(self) -> Parts:
        """What the update is made of as the parameters stand, differentiable in what is trained."""

    @abstractmethod
    def trained(self) -> Iterator[tuple[Kind, nn.Parameter]]:
        """The layer's own parameters, each once with its kind; those that do not require a gradient
        are among them."""

    def lengthened(self, change: Tensor) -> None:
        """Take over that the row norms of W changed by this, since W was cast to another type."""

    def factors(self) -> Factors:
        """(B, A) as they stand, differentiable in what is trained."""
        return Factors(*self.parts()[:2])

    def extension(self) -> tuple[Tensor, Tensor] | None:
        """(L, R) of a further term s L R of the update that vanishes at first, if the variant has
        one."""
        return self.parts().extension

    def magnitudes(self) -> Tensor | None:
        """The norm (out,) that each row of the adapted weight is given, if the variant rescales
        rows."""
        return self.parts().magnitudes

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
        return route_of(self)

    @property
    def path(self) -> str:
        """The same as a sentence: "fused", "gathered", "merged", or "unfused" with the reason."""
        return self.route.value.format(dropout=self.dropout)

    def update(self) -> tuple[Tensor, Tensor]:
        """(L, R) of the update s L R = s (B A - B0 A0) and the extension: L is (out, k) and R is
        (k, in)."""
        return self.parts().update(self.frozen)

    def exported(self) -> Factors:
        """The same update as a pair of plain factors, [B, extension, -B0] [A; extension; A0]."""
        return self.parts().exported(self.frozen)

    @property
    def frozen(self) -> Factors | None:
        """The pair (B0, A0), where there is one."""
        return None if self.B0 is None or self.A0 is None else Factors(self.B0, self.A0)

    def forward(self, *args: Tensor, **named: Tensor) -> Tensor:
        """y for the input x, by position or by the name that the base layer gives it."""
        if len(args) + len(named) != 1:
            raise TypeError(f"an adapted layer takes one input, got {len(args) + len(named)}")
        (x,) = (*args, *named.values())
        base, share = self.base_layer, self.share and self.share(x)
        if share is not None:
            return share.forward(x, weight_of(base), self.bias)
        route = self.route
        if route is Route.DISABLED:
            return self.original(x)
        if route is Route.MERGED:
            return base(x)
        parts = self.parts()
        if route is Route.FUSED:
            L, R = parts.update(self.frozen)
            y = low_rank_linear(x, weight_of(base), self.bias, L, R, self.scale)
        else:
            ids = x.reshape(-1) if route is Route.GATHERED else None
            y = base(x) + self._branch(x, parts, ids)
        if (excess := self._excess(parts)) is not None:
            y = rescaled(y, self.bias, excess)
        if route is Route.GATHERED:
            y = without_padding(x, y, base.padding_idx)  # type: ignore[arg-type]
        return y

    def _branch(self, x: Tensor, parts: Parts, ids: Tensor | None) -> Tensor:
        """s L R x; `ids` are the indices that x holds, where the base layer reads indices."""
        apply, dtype = (on_vectors, x.dtype) if ids is None else (on_ids, self.weight.dtype)
        L, R = parts.update(self.frozen, ids)
        trained = None
        if self.dropout and self.training:
            B, A = parts.trained(ids)
            trained = B.to(dtype), A.to(dtype)
        return self.scale * apply(x, (L.to(dtype), R.to(dtype)), trained, self.dropout)

    def _excess(self, parts: Parts) -> Tensor | None:
        """m / n - 1 by row, where n is the norm of the row of W + s L R, a constant in backward
        (arXiv:2402.09353, section 4.3). While L R = 0 and m is the row norm of W this is 0
        exactly."""
        m = parts.magnitudes
        if m is None:
            return None
        with torch.autocast(m.device.type, enabled=False):
            W, (L, R) = weight_of(self.original), parts.update(self.frozen)
            return excess(m, self.base_norms.of(self.original, W), growth(W, L, self.scale * R))

    def dense(self) -> Tensor:
        """W + s L R as (out, in), in float32 at least."""
        return self._dense(self.parts())

    @torch.no_grad()
    def _dense(self, parts: Parts) -> Tensor:
        W = weight_of(self.original)
        with torch.autocast(W.device.type, enabled=False):
            L, R = parts.update(self.frozen)
            whole = W.to(L.dtype, copy=True, memory_format=torch.contiguous_format)
            return whole.addmm_(L, R, alpha=self.scale)

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
        parts = self.parts()
        merged, excess = self._dense(parts), self._excess(parts)
        if excess is not None:
            merged = merged * (1 + excess)[:, None]
        merged = merged.to(self.weight.dtype)
        if bad := bad_entries(merged):
            raise ValueError(f"the merged weight would have {bad} entries that are NaN or infinite")
        return merged.mT.contiguous() if base_of(self.base_layer).transposed else merged

    @property
    def original(self) -> nn.Module:
        """The base layer itself, also while merged. Raises ValueError when it is gone."""
        if not self.merged:
            return self.base_layer
        if self.kept_base is None:
            raise ValueError("it was merged with keep_base=False, so the original weight is gone")
        return self.kept_base

    def merge(self, keep_base: bool = True, weight: Tensor | None = None) -> None:
        """Put a twin of the base layer with the merged weight, made if not given, in its place:
        another model may hold the base layer too. The original is stored for `unmerge` if asked."""
        if not self.merged:
            twin = holding(self.base_layer, self.merged_weight() if weight is None else weight)
            self.kept_base = self.base_layer if keep_base else None
            self.base_layer, self.merged = twin, True

    def unmerge(self) -> None:
        """Put the original base layer back, whose weight never changed.

        Raises ValueError when it is gone.
        """
        if self.merged:
            self.base_layer, self.kept_base, self.merged = self.original, None, False

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "LoRALinear":
        """As torch's, which every cast and move goes through: the base layer follows `fn`, and what
        is trained moves along but stays in float32 at least."""
        gone = self.merged and self.kept_base is None
        before = None if gone else stored(self.original)
        for module in (self.base_layer, self.kept_base):
            if module is not None:
                module._apply(fn, recurse)
        super()._apply(partial(in_float32, fn), recurse)
        after, m = None if gone else stored(self.original), self.magnitudes()
        if before is None or after is None or m is None or before.dtype == after.dtype:
            return self
        self.lengthened(row_norms(after).to(m) - row_norms(before).to(m))
        return self

    def extra_repr(self) -> str:
        return f"rank={self.rank}, scale={self.scale:g}, path={self.path!r}"
