"""What training costs in memory, counted on one micro-batch, and what an initialization costs in
time, measured.

Bytes saved for backward are those of the distinct storages that the graph of one forward pass
saves, without the parameters: with both factors trained, and with A frozen, which saves the memory
of the inputs that nothing else keeps. AdamW keeps two numbers of four bytes for each
trained one, beside the gradient.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

import lora
from lora.initialization import statistics_for
from scaling.advice.sample import Loss
from scaling.models.quantised import parts

FLOAT = 4
STATE = 2  # numbers of AdamW's


@dataclass(frozen=True)
class Memory:
    """Bytes that training needs.

    Args:
        trained: how many numbers are trained; all else is in bytes.
        parameters: of what is trained.
        optimizer: its state in AdamW.
        base: the parameters that are not trained.
        kept: saved for backward, of one micro-batch.
        kept_frozen_a: saved for backward with A frozen.
    """

    trained: int
    parameters: int
    optimizer: int
    base: int
    kept: int
    kept_frozen_a: int

    @property
    def peak(self) -> int:
        """Base, gradients and state included: an estimate, as workspaces come on top."""
        return self.base + 2 * self.parameters + self.optimizer + self.kept

    @property
    def peak_frozen_a(self) -> int:
        """The peak with A frozen; A still counts as trained, as it is small."""
        return self.peak - self.kept + self.kept_frozen_a


def memory(model: nn.Module, batch: Any, loss: Loss, more: float = 1.0) -> Memory:
    """The memory of a model with adapters, which is left as it is.

    Args:
        model: with its adapters attached.
        batch: one probe batch.
        loss: of the model on the batch.
        more: how many times as large a micro-batch of the run is.
    """
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    every = sum(part.nbytes for p in model.parameters() for part in parts(p))
    kept = round(more * kept_bytes(model, batch, loss))
    with a_frozen(model):
        frozen = round(more * kept_bytes(model, batch, loss))
    return Memory(
        trained, FLOAT * trained, STATE * FLOAT * trained, every - FLOAT * trained, kept, frozen
    )


@contextmanager
def a_frozen(model: nn.Module) -> Iterator[None]:
    """No A has a gradient inside the block."""
    factors = [
        p for layer in lora.adapters(model).values() for kind, p in layer.trained() if kind == "A"
    ]
    before = [p.requires_grad for p in factors]
    for p in factors:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p, required in zip(factors, before, strict=True):
            p.requires_grad_(required)


def kept_bytes(model: nn.Module, batch: Any, loss: Loss) -> int:
    """Bytes that the graph of one forward pass saves for backward: each storage once, and the
    model's own not at all."""
    whole = (*model.parameters(), *model.buffers())
    own = {part.untyped_storage().data_ptr() for t in whole for part in parts(t)}
    seen: dict[int, int] = {}
    alive: list[Tensor] = []  # so that no address is used twice

    def pack(t: Tensor) -> Tensor:
        for part in parts(t):
            storage = part.untyped_storage()
            if storage.data_ptr() not in own:
                seen[storage.data_ptr()] = storage.nbytes()
                alive.append(part)
        return t

    with torch.random.fork_rng(), torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        loss(model, batch)
    return sum(seen.values())


@dataclass(frozen=True)
class InitializationTime:
    """Seconds that a scheme takes in the run.

    Args:
        a_batch: for the statistics of one micro-batch.
        solve: for everything else.
        batches: micro-batches whose statistics the scheme needs.
    """

    a_batch: float
    solve: float
    batches: int

    @property
    def whole(self) -> float:
        return self.a_batch * self.batches + self.solve


def initialization_time(
    model: nn.Module,
    config: lora.Config,
    batches: list[Any],
    loss: Loss | None,
    in_run: int,
    more: float = 1.0,
) -> InitializationTime:
    """`lora.attach` on probe batches, timed; it leaves the adapters on the model.

    Args:
        model: without adapters.
        config: of the adapters.
        batches: probe batches.
        loss: of the model on a batch, None for the model's own.
        in_run: micro-batches whose statistics the run would take.
        more: how many times as large as a probe batch they are.
    """
    begun = perf_counter()
    statistics = statistics_for(model, config, batches, loss)
    collected = perf_counter()
    lora.attach(model, config, stats=statistics)
    solve = perf_counter() - collected
    if not statistics:
        return InitializationTime(0.0, solve, 0)
    return InitializationTime(more * (collected - begun) / len(batches), solve, in_run)
