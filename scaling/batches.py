"""Batches of examples outside the Trainer: for a data-driven start, and for predictions."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler

from scaling.task import Loaded, Record

Collate = Callable[[list[Record]], Any]


def device_of(loaded: Loaded) -> torch.device:
    return next(loaded.model.parameters()).device


def stream(loaded: Loaded, examples: Sequence[Record], batch: int, collate: Collate, seed: int) -> Iterator[Any]:
    """The batches of the first epoch in the order in which the Trainer will draw them, on the model's device."""
    order = RandomSampler(examples, generator=torch.Generator().manual_seed(seed))  # type: ignore[arg-type]
    loader = DataLoader(examples, batch, sampler=order, collate_fn=collate, generator=torch.Generator())  # type: ignore[arg-type]
    yield from ({name: value.to(device_of(loaded)) for name, value in item.items()} for item in loader)


def split(loaded: Loaded, examples: Sequence[Record], batch: int, collate: Collate) -> Iterator[dict[str, Tensor]]:
    """The examples in order, on the model's device."""
    for start in range(0, len(examples), batch):
        collated = collate(list(examples[start : start + batch]))
        yield {name: value.to(device_of(loaded)) for name, value in collated.items()}
