"""Collective operations where torch.distributed is initialized: every process must call them."""

import sys
from dataclasses import replace
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from lora.statistics import Statistics, merged

WHOLE = ("moment", "gradient", "weighted_second_moment")
Value = TypeVar("Value")


def several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def over_processes(stats: Statistics) -> Statistics:
    """`merged` of what every process has: whole matrices by an all-reduce, the rest, which is thin,
    by a gather."""
    if not several():
        return stats
    thin = replace(stats, **dict.fromkeys(WHOLE))
    everyone: list[Statistics | None] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, thin)
    total = merged(*(part for part in everyone if part is not None))
    present = {name: value for name in WHOLE if (value := getattr(stats, name)) is not None}
    if not present:
        return total
    flat = stats.count / total.count * torch.cat([value.flatten() for value in present.values()])
    dist.all_reduce(flat)
    sums = flat.split([value.numel() for value in present.values()])
    return replace(
        total,
        **{
            name: part.view_as(value)
            for part, (name, value) in zip(sums, present.items(), strict=True)
        },
    )


def of_first(value: Value) -> Value:
    """The first process's value, which may be any object that can be pickled."""
    if not several():
        return value
    held: list[Any] = [value]
    dist.broadcast_object_list(held, src=0)
    return held[0]


@torch.no_grad()
def copy_first(*tensors: Tensor) -> None:
    """Give every tensor the value that the first process has of it, in place."""
    if several():
        for tensor in tensors:
            value = tensor.contiguous()
            dist.broadcast(value, src=0)
            tensor.copy_(value)


def is_sharded(tensor: Tensor) -> bool:
    """Whether each process holds a part of it, as fully_shard leaves a model's parameters."""
    # never imported: sharded tensors are only where it is
    loaded = sys.modules.get("torch.distributed.tensor")
    return loaded is not None and isinstance(tensor, loaded.DTensor)


def whole(tensor: Tensor) -> Tensor:
    """The tensor itself, or where it is sharded all of it, gathered from the processes."""
    return tensor.full_tensor() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]
