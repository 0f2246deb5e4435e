"""The statistics of all processes as one, where torch.distributed is initialised."""

from dataclasses import replace

import torch
import torch.distributed as dist

from lora.statistics import Statistics, merged

WHOLE = ("moment", "gradient", "weighted_second_moment")


def over_processes(stats: Statistics) -> Statistics:
    """`merged` of what every process has: whole matrices by an all-reduce, the rest, which is thin, by a gather."""
    if not (dist.is_available() and dist.is_initialized()):
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
        total, **{name: part.view_as(value) for part, (name, value) in zip(sums, present.items(), strict=True)}
    )
