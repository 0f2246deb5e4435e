"""Batches of examples outside the Trainer: for data-driven initializations, and for predictions."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler

from scaling.core.records import Record
from scaling.core.task import Loaded

Collate = Callable[[list[Record]], Any]
MOST = 256  # micro-batches that an initialization learns from


def device_of(loaded: Loaded) -> torch.device:
    return next(loaded.model.parameters()).device


def stream(
    loaded: Loaded,
    examples: Sequence[Record],
    micro: int,
    collate: Collate,
    seed: int,
    process: int = 0,
    of: int = 1,
    most: int = MOST,
) -> Iterator[Any]:
    """The first epoch's micro-batches, `most` of them, in the order in which the Trainer will draw
    them, on the model's device, dealt out to the processes: as many to each, and the same ones in
    all whatever their number. Examples that are packed in training come apart: no mask tells what
    fills a row up from text."""

    order = RandomSampler(examples, generator=torch.Generator().manual_seed(seed))  # type: ignore[arg-type]
    loader = DataLoader(
        examples,  # type: ignore[arg-type]
        micro,
        sampler=order,
        collate_fn=partial(_apart, collate),
        generator=torch.Generator(),
        drop_last=True,
    )
    count = min(len(loader), most) // of * of
    for item in islice(loader, process, count, of):
        yield {name: value.to(device_of(loaded)) for name, value in item.items()}


def dealt(
    loaded: Loaded,
    examples: Iterator[Record],
    micro: int,
    collate: Collate,
    process: int = 0,
    of: int = 1,
    most: int = MOST,
) -> Iterator[Any]:
    """The same of examples that come one by one, in their order."""
    size = micro * of
    for _ in range(most // of):
        if len(group := [*islice(examples, size)]) < size:
            return
        item = _apart(collate, group[process * micro : (process + 1) * micro])
        yield {name: value.to(device_of(loaded)) for name, value in item.items()}


def _apart(collate: Collate, some: list[Record]) -> Any:
    return collate([{n: one[n] for n in one if n != "position_ids"} for one in some])


def split(
    loaded: Loaded, examples: Sequence[Record], batch: int, collate: Collate
) -> Iterator[dict[str, Tensor]]:
    """The examples in order, on the model's device."""
    for start in range(0, len(examples), batch):
        collated = collate(list(examples[start : start + batch]))
        yield {name: value.to(device_of(loaded)) for name, value in collated.items()}
