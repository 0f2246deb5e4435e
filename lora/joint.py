"""What one forward of an adapted model prepares for all of its layers at once.

In a half-precision model, and under autocast, each layer needs its factors, which are float32
masters, in half precision, and layers that read one tensor (q, k and v; gate and up) each multiply
it by a thin matrix of their own. Layer by layer these are many small operations, and where a step
has few tokens, or runs on a GPU, their number is its time. So a forward of the whole model begins
with

    one cast of all factors, s folded into R, whose backward casts all their gradients,
    for DoRA, m / n of all rows of all layers,

and layers that read one tensor share the product x [R_q; R_k; R_v]^T. Which layers do is learnt in
the first such forward, and only saves work: where a layer reads another tensor than its group, the
product is found with that one.

All of it is made when the first layer of a forward asks, and lives to the end of that forward of
the model that was given to `lora.attach`. A layer that is called at another time, with fewer rows
than it has rank or in a type that was not expected, prepares for itself: when text is generated, in
a checkpoint (which wants the very same saved tensors again when it runs a part of the model by
itself), in a part of the model that is called by itself, in torch.func, and in torch.compile, which
joins such operations in its own way.
"""

import sys
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lora.bases import weight_of
from lora.layer import LoRALinear
from lora.norms import excess, growth
from lora.parts import Parts
from lora.processes import is_sharded
from lora.product import autocast_type, few_rows
from lora.route import Route
from lora.shared import Group, Readers, Share
from lora.tracing import recorded, watched


class Joint:
    """The preparation of the forwards of one model: `begin` and `end` are its hooks."""

    def __init__(self, layers: Sequence[LoRALinear]) -> None:
        self.layers = list(layers)
        self.ranks = [layer.rank for layer in layers]
        self.alike: list[list[int]] | None = None  # which layers read one tensor, once known
        self.shares: dict[int, Share] | None = None  # of the present forward, once it needs them
        self.readers = Readers()
        self.modes = _modes()

    def hook(self, model: nn.Module) -> list[Any]:
        """Have the forwards of this model begin and end here; gives the handles of the hooks."""
        return [
            model.register_forward_pre_hook(self.begin),
            model.register_forward_hook(self.end, always_call=True),
        ]

    def begin(self, model: nn.Module, args: Any) -> None:
        self.shares = None
        if _applies(model):
            self.modes = _modes()
            for i, layer in enumerate(self.layers):
                vars(layer)["share"] = partial(self.share, i)

    def end(self, model: nn.Module, args: Any, output: Any) -> None:
        for layer in self.layers:
            if vars(layer)["share"] is not None:
                vars(layer)["share"] = None
        if self.alike is None and self.readers.lists and output is not None:
            self.alike = self.readers.lists
        self.shares, self.readers = None, Readers()

    def share(self, i: int, x: Tensor) -> Share | None:
        """What the i-th layer needs for its input x, if it is to be found here."""
        if few_rows(x, self.ranks[i]) or watched() or _modes() != self.modes:
            return None
        if self.shares is None:
            self.shares = self._prepared()
        share = self.shares.get(i)
        if share is None or not share.fits(x):
            return None
        if self.alike is None:
            self.readers.note(i, x)
        return share

    def _prepared(self) -> dict[int, Share]:
        kinds: dict[tuple, list[int]] = defaultdict(list)
        for i, layer in enumerate(self.layers):
            if (kind := _kind(layer)) is not None:
                kinds[kind].append(i)
        found: dict[int, Share] = {}
        for (_, dtype), these in kinds.items():
            groups = [[i] for i in these] if self.alike is None else _among(these, self.alike)
            shares = _shares([[self.layers[i] for i in group] for group in groups], dtype)
            if shares:
                order = [i for group in groups for i in group]
                found |= dict(zip(order, shares, strict=True))
        return found


def _modes() -> tuple[bool, bool]:
    """In which what is prepared has a graph, or none."""
    return torch.is_grad_enabled(), torch.is_inference_mode_enabled()


def _applies(model: nn.Module) -> bool:
    """Whether a forward of this model is an ordinary one."""
    replica = getattr(model, "_is_replica", False)  # nn.DataParallel's has layers of its own
    return not (recorded() or replica or _gathers(model))


def _gathers(model: nn.Module) -> bool:
    """Whether FSDP holds parameters of the model: it gathers them part by part, and wants the
    gradients of a part as soon as its backward is done."""
    fsdp: Any = sys.modules.get("torch.distributed.fsdp")
    if fsdp is None or not (dist.is_available() and dist.is_initialized()):
        return False
    kinds = fsdp.FSDPModule, fsdp.FullyShardedDataParallel
    return any(isinstance(module, kinds) for module in model.modules())


def _kind(layer: LoRALinear) -> tuple[torch.device, torch.dtype] | None:
    """The device and the type of a layer's products, where its factors must be cast to it."""
    if layer.route is not Route.FUSED:
        return None
    W = layer.weight
    dtype = autocast_type(W) or W.dtype
    return None if dtype.itemsize >= 4 or W.is_meta or is_sharded(W) else (W.device, dtype)


def _among(these: Sequence[int], alike: Sequence[Sequence[int]]) -> list[list[int]]:
    """These layers, those that read one tensor together."""
    wanted = set(these)
    groups = [group for each in alike if (group := [i for i in each if i in wanted])]
    return groups + [[i] for i in wanted.difference(*groups)]


def _shares(groups: Sequence[Sequence[LoRALinear]], dtype: torch.dtype) -> list[Share]:
    """The shares of these layers in their order; none where some of their factors are elsewhere."""
    layers = [layer for group in groups for layer in group]
    parts = [layer.parts() for layer in layers]
    factors = [each.update(layer.frozen) for layer, each in zip(layers, parts, strict=True)]
    if any(_absent(tensor) for pair in factors for tensor in pair):
        return []
    lefts, rights = zip(*factors, strict=True)
    sizes = [1] * len(layers) + [len(group) for group in groups]
    scales = [1.0] * len(layers) + [layer.scale for layer in layers]
    cast = _Cast.apply(dtype, sizes, scales, *lefts, *rights)
    found: list[Share] = []
    for members, R in zip(groups, cast[len(layers) :], strict=True):
        first = len(found)
        group = Group(R, [len(right) for right in rights[first : first + len(members)]])
        found += [Share(cast[first + place], group, place) for place in range(len(members))]
    _rescale(layers, parts, found)
    return found


def _absent(factor: Tensor) -> bool:
    """Whether a process holds a part of it only, or none for now."""
    return factor.is_meta or factor.ndim != 2 or not factor.numel() or is_sharded(factor)


def _rescale(layers: Sequence[LoRALinear], parts: Sequence[Parts], shares: list[Share]) -> None:
    """Give the shares m / n - 1 where there are magnitudes m."""
    rows = [
        (layer, share, each.magnitudes)
        for layer, share, each in zip(layers, shares, parts, strict=True)
        if each.magnitudes is not None
    ]
    if not rows:
        return
    norms, grown = [], []
    with torch.no_grad(), torch.autocast(rows[0][2].device.type, enabled=False):
        for layer, share, _ in rows:
            W = weight_of(layer.base_layer)
            norms.append(layer.base_norms.of(layer.base_layer, W))
            R = share.group.R.split(share.group.ranks)[share.place]
            grown.append(growth(W, share.L, R))
    m = torch.cat([each for *_, each in rows])
    longer = excess(m, torch.cat(norms), torch.cat(grown)).to(shares[0].L.dtype)
    for (_, share, _), part in zip(rows, longer.split([len(n) for n in norms]), strict=True):
        share.excess = part


class _Cast(torch.autograd.Function):
    """All factors in another type by one operation, and their gradients by another.

    Given are first every L and then every R, in the same order of layers. Each is multiplied by its
    scale, and consecutive ones are put one below the other, as many as `sizes` says.
    """

    @staticmethod
    def forward(
        ctx: Any,
        dtype: torch.dtype,
        sizes: Sequence[int],
        scales: Sequence[float],
        *factors: Tensor,
    ) -> tuple[Tensor, ...]:
        new: list[Tensor] = []
        targets: list[Tensor] = []
        ctx.rows = []
        for size in sizes:
            these = factors[len(targets) : len(targets) + size]
            ctx.rows.append([len(each) for each in these])
            shape = sum(ctx.rows[-1]), these[0].shape[1]
            new.append(torch.empty(shape, dtype=dtype, device=these[0].device))
            targets += new[-1].split(ctx.rows[-1]) if size > 1 else new[-1:]
        torch._foreach_copy_(targets, _scaled(factors, scales))
        ctx.set_materialize_grads(False)
        ctx.scales, ctx.like = scales, [(each.shape, each.dtype) for each in factors]
        needed, frozen = list(ctx.needs_input_grad[3:]), []
        for each, size in zip(new, sizes, strict=True):
            these, needed = needed[:size], needed[size:]
            if not any(these):
                frozen.append(each)
        ctx.mark_non_differentiable(*frozen)
        return tuple(new)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        found: list[Tensor | None] = []
        for rows, grad in zip(ctx.rows, grads, strict=True):
            found += [None] * len(rows) if grad is None else grad.split(rows)
        needed, n = ctx.needs_input_grad[3:], len(found) // 2
        for i in range(n):  # a layer among others of its group, on which the loss does not depend
            if found[i] is None and needed[i]:
                found[n + i] = None
        present = [i for i, g in enumerate(found) if g is not None and needed[i]]
        some: list[Any] = [found[i] for i in present]
        scales = [ctx.scales[i] for i in present]
        like = [ctx.like[i] for i in present]
        if torch.is_grad_enabled():  # a backward of this backward will come
            new = [s * g.to(dtype) for s, g, (_, dtype) in zip(scales, some, like, strict=True)]
        else:
            new = [
                torch.empty(shape, dtype=dtype, device=g.device)
                for g, (shape, dtype) in zip(some, like, strict=True)
            ]
            if new:
                torch._foreach_copy_(new, some)
                new = _scaled(new, scales)
        for i, value in zip(present, new, strict=True):
            found[i] = value
        return None, None, None, *(g if use else None for g, use in zip(found, needed, strict=True))


def _scaled(tensors: Sequence[Tensor], scales: Sequence[float]) -> list[Tensor]:
    """Every tensor times its scale."""
    result, chosen = list(tensors), [i for i, s in enumerate(scales) if s != 1]
    if chosen:
        products = torch._foreach_mul([tensors[i] for i in chosen], [scales[i] for i in chosen])
        for i, product in zip(chosen, products, strict=True):
            result[i] = product
    return result
