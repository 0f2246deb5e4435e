"""One layer's share of what `lora.joint` prepares for a forward: its factors in the type of the
products, and the product R x that it shares with the layers that read the same tensor."""

import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lora.product import autocast_type, rescaled, with_update


class Group:
    """Layers that read one tensor: their matrices R, one below the other, and the last product.

    Args:
        R: (sum of the ranks, in), in the type of the products.
        ranks: of the layers, in their order.
    """

    def __init__(self, R: Tensor, ranks: Sequence[int]) -> None:
        self.R, self.ranks = R, tuple(ranks)
        self.last: tuple[Any, ...] | None = None

    def image(self, x: Tensor, place: int) -> tuple[Tensor, Tensor]:
        """x in the type of the products, and R x of the layer at this place.

        The product is that of all layers, and serves the others while they read the same x,
        unchanged since.
        """
        if len(self.ranks) == 1:
            x = x.to(self.R.dtype)
            return x, F.linear(x, self.R)
        if x.is_inference():  # no change of such a tensor can be seen
            x = x.to(self.R.dtype)
            return x, F.linear(x, self.R.split(self.ranks)[place])
        last = self.last
        if last is None or last[0]() is not x or last[1] != x._version:
            cast = x.to(self.R.dtype)
            images = F.linear(cast, self.R).split(self.ranks, -1)
            self.last = last = (weakref.ref(x), x._version, cast, images)
        return last[2], last[3][place]


class Readers:
    """Which layers read one tensor in a forward: `lists` of their numbers, each layer once."""

    def __init__(self) -> None:
        self.lists: list[list[int]] = []
        self.seen: set[int] = set()
        self.last: dict[int, tuple[weakref.ref, int, list[int]]] = {}

    def note(self, layer: int, x: Tensor) -> None:
        if layer in self.seen or x.is_inference():
            return
        self.seen.add(layer)
        found = self.last.get(id(x))
        if found is None or found[0]() is not x or found[1] != x._version:
            self.lists.append([])
            found = self.last[id(x)] = weakref.ref(x), x._version, self.lists[-1]
        found[2].append(layer)


class Share:
    """A layer's own part.

    Args:
        L: (out, k), in the type of the products.
        group: holds s R, (k, in), at
        place: this place.
        excess: m / n - 1 for every row (out,), where the variant rescales rows.
    """

    __slots__ = ("L", "excess", "group", "place")

    def __init__(self, L: Tensor, group: Group, place: int) -> None:
        self.L, self.group, self.place = L, group, place
        self.excess: Tensor | None = None

    def fits(self, x: Tensor) -> bool:
        """Whether the products of x are of this type, and here."""
        return (autocast_type(x) or x.dtype) == self.L.dtype and x.device == self.L.device

    def forward(self, x: Tensor, W: Tensor, bias: Tensor | None) -> Tensor:
        """y of the layer, whose base layer has W and this bias."""
        if autocast_type(x) is None:
            return self._forward(x, W, bias)
        half = self.L.dtype
        with torch.autocast(x.device.type, enabled=False):
            return self._forward(x, W.to(half), None if bias is None else bias.to(half))

    def _forward(self, x: Tensor, W: Tensor, bias: Tensor | None) -> Tensor:
        x, low = self.group.image(x, self.place)
        y = with_update(x, W, bias, self.L, low, 1.0)
        return y if self.excess is None else rescaled(y, bias, self.excess)
