"""What training costs in memory, counted on one micro-batch, and what a start costs in time,
measured.

Bytes kept for the backward pass are those of the distinct storages that the graph of one forward
saves, parameters not among them: with both factors trained, and with A frozen, which spares the
inputs that nothing else keeps (claim A12). AdamW keeps two numbers of four bytes for each one
trained, beside the gradient.
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

FLOAT = 4
STATE = 2  # numbers of AdamW's


@dataclass(frozen=True)
class Memory:
    """Bytes. `trained` counts numbers; `peak` is the base, what is trained with its gradient and
    the optimiser's state, and what is kept for backward: an estimate, as workspaces come on top."""

    trained: int
    parameters: int
    optimizer: int
    base: int
    kept: int
    kept_frozen_a: int

    @property
    def peak(self) -> int:
        return self.base + 2 * self.parameters + self.optimizer + self.kept

    @property
    def peak_frozen_a(self) -> int:
        """The trained numbers counted as before: those of A are few."""
        return self.peak - self.kept + self.kept_frozen_a


def memory(model: nn.Module, batch: Any, loss: Loss, more: float = 1.0) -> Memory:
    """Of a model with adapters, which it leaves as it is; a micro-batch of the run is `more` times
    as large as the batch."""
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    every = sum(p.numel() * p.element_size() for p in model.parameters())
    kept = round(more * kept_bytes(model, batch, loss))
    with a_frozen(model):
        frozen = round(more * kept_bytes(model, batch, loss))
    return Memory(
        trained, FLOAT * trained, STATE * FLOAT * trained, every - FLOAT * trained, kept, frozen
    )


@contextmanager
def a_frozen(model: nn.Module) -> Iterator[None]:
    """Every A without a gradient, as long as this lasts."""
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
    """What the graph of one forward keeps, in bytes, each storage once and the model's own not at
    all."""
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    seen: dict[int, int] = {}
    alive: list[Tensor] = []  # so that no address is used twice

    def see(t: Tensor) -> Tensor:
        storage = t.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
            alive.append(t)
        return t

    with torch.random.fork_rng(), torch.autograd.graph.saved_tensors_hooks(see, lambda t: t):
        loss(model, batch)
    return sum(seen.values())


@dataclass(frozen=True)
class Start:
    """Seconds that a scheme takes in the run, which looks at `batches` micro-batches: `a_batch` for
    one of them, and `solve` for all the rest."""

    a_batch: float
    solve: float
    batches: int

    @property
    def whole(self) -> float:
        return self.a_batch * self.batches + self.solve


def start(
    model: nn.Module,
    config: lora.Config,
    batches: list[Any],
    loss: Loss | None,
    in_run: int,
    more: float = 1.0,
) -> Start:
    """`lora.attach` on these batches, timed. A run would look at `in_run` of its own, `more` times
    as large."""
    begun = perf_counter()
    seen = statistics_for(model, config, batches, loss)
    looked = perf_counter()
    lora.attach(model, config, stats=seen)
    solve = perf_counter() - looked
    return (
        Start(more * (looked - begun) / len(batches), solve, in_run)
        if seen
        else Start(0.0, solve, 0)
    )
