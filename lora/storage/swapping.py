"""`lora.swap`: a saved adapter into the layers that a model has already.

No module is built and no tensor replaced, so that nothing is compiled anew and an address, once
given out, stays good. With the layer's own scale s and room for rank R, a stored pair (B', A') of
rank r <= R and scale s' goes in as

    B = [s'/s B', 0],    A = [A'; 0],                                                            (1)

which is the same update, and exactly so where s'/s is a power of two. A stored frozen pair goes
into the layer's, by (1) too. A layer without one takes it as plain factors, [B', -B0'] [A'; A0'],
where 2 r <= R.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from lora.kinds import about
from lora.layer import LoRALinear
from lora.model import adapters, attached
from lora.processes import is_sharded
from lora.schemes import Factors
from lora.storage.files import WEIGHTS
from lora.storage.reading import Parts, module_names, read
from lora.storage.tensors import saved_tensors
from lora.variants.dash import DashLinear
from lora.variants.factored import FactoredLinear

Copies = Iterator[tuple[Tensor, Tensor]]  # of a value (second) into a tensor of the model


def swap(model: nn.Module, folder: str | os.PathLike) -> None:
    """Give the adapters of a model the values of a saved adapter, in place, as for serving several
    tasks with one model. On any error the model is untouched.

    The layers keep their scales, their dropout and what of them is trained, and the optimizer its
    state. The model is saved from then on with the new values, at the rank of its layers. The
    chosen directions of a `dash` layer stay, and their scales become zero.

    Args:
        model: a model with adapters that are not merged.
        folder: what `lora.save` or PEFT wrote, for the same layers and modules_to_save, with ranks
            of at most the model's.

    Raises: FileNotFoundError where a file is missing. ValueError as `lora.load`, and naming the
        layer that has no room for the stored rank, is merged, is of another variant, or has its
        factors made by a generator network.
    """
    attached(model)
    layers = adapters(model)
    for name, layer in layers.items():
        with about(name):
            _check_open(layer)
    folder = Path(folder)
    inside = tuple(f"{name}." for name in layers)
    stored = read(folder, [name for name in module_names(model) if not name.startswith(inside)])
    with about(folder / WEIGHTS):
        saved = saved_tensors(model, attached(model).config)
        stored = stored.check({name: layer.base_layer for name, layer in layers.items()}, saved)
        copies: list[tuple[Tensor, Tensor]] = []
        for name, layer in layers.items():
            with about(name):
                copies += _copies(layer, stored.parts(name, layer.base_layer))
    with torch.no_grad():
        for target, value in copies:
            target.copy_(value)
        for key, target in saved.items():
            target.copy_(stored.tensors[key])


def _check_open(layer: LoRALinear) -> None:
    if not isinstance(layer, FactoredLinear):
        raise ValueError("a generator network makes its factors, which cannot be set; load instead")
    if layer.merged:
        raise ValueError("it is merged; call lora.unmerge(model) first")
    if any(is_sharded(value) or value.is_meta for value in layer.factors()):
        raise ValueError("this process does not hold its factors; swap before they are sharded")


@torch.no_grad()
def _copies(layer: LoRALinear, parts: Parts) -> Copies:
    """What goes where, by (1); raises ValueError where it does not fit."""
    m = layer.magnitudes()
    if (m is None) != (parts.magnitude is None):
        has = {True: "DoRA magnitudes", False: "no DoRA magnitudes"}
        raise ValueError(
            f"stored are {has[parts.magnitude is not None]}, but the layer has {has[m is not None]}"
        )
    factors, pair = parts.factors, parts.frozen
    if pair is not None and layer.B0 is None:
        B, A = torch.cat([factors.B, -pair.B], 1), torch.cat([factors.A, pair.A])
        factors, pair = Factors(B, A), None
    if len(factors.A) > layer.rank:
        raise ValueError(
            f"stored is rank {len(factors.A)}, but the layer has room for rank {layer.rank}"
        )
    ratio = parts.scale / layer.scale
    yield from _padded(layer.B, factors.B * ratio)
    yield from _padded(layer.A, factors.A)
    if layer.B0 is not None and layer.A0 is not None:
        B0, A0 = pair or Factors(factors.B[:, :0], factors.A[:0])
        yield from _padded(layer.B0, B0 * ratio)
        yield from _padded(layer.A0, A0)
    if m is not None and parts.magnitude is not None:
        yield m, parts.magnitude
    if isinstance(layer, DashLinear):
        yield layer.d, torch.zeros_like(layer.d)


def _padded(target: Tensor, value: Tensor) -> Copies:
    padded = torch.zeros_like(target)
    padded[tuple(map(slice, value.shape))] = value
    if not padded.isfinite().all():
        raise ValueError(f"its values are too large for the layer's type, {target.dtype}")
    yield target, padded
