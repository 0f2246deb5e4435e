"""What training must know about what it trains; this library's adapters here, the other rows of
`methods` in files of their own."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from transformers import TrainerCallback

import lora
from lora import initialization
from lora.bases import shape_of
from lora.targets import check_vectors, saved_modules, targets
from lora.variants.dash import DashLinear
from scaling.core import outputs, placement, state
from scaling.core.config import Config, check_scheme, training_whole
from scaling.core.task import Loaded
from scaling.training.job import Job, on_batches

ENTRIES = 64  # of a parameter, about as many and evenly spaced, that tell it from another one


class Adapted(NamedTuple):
    """The functions of a model that is made what is trained; `scaling.core.state` knows its
    tensors.

    Args:
        summary: one line about it, to be printed.
        trainable: how many numbers are trained.
        optimizer: makes a new one.
        callbacks: from the optimizer, what has to happen besides its steps.
        save: writes what was trained to a folder, whole or not at all.
        folder: the name of that folder, in that of the run: that of an adapter is in PEFT's format.
        penalty: what the method adds to the loss of every step, a scalar, if it does.
        resumable: whether its tensors are all that a checkpoint needs.
    """

    summary: str
    trainable: int
    optimizer: Callable[[], Optimizer]
    callbacks: Callable[[Optimizer], list[TrainerCallback]]
    save: Callable[[Path], None]
    folder: str = outputs.ADAPTER
    penalty: Callable[[], Tensor] | None = None
    resumable: bool = True


def check(config: Config) -> None:
    """Raise ValueError for a setting of full fine-tuning, and for options that the initialization
    does not have."""
    config.check_applied()
    check_scheme(config.adapter)


def fits(config: Config, loaded: Loaded) -> None:
    """Raise ValueError, naming the layer or the setting, for an adapter that this model cannot
    have."""
    model, adapter = loaded.model, training_whole(config.adapter, loaded.fresh)
    layers, _ = targets(model, adapter)
    saved_modules(model, adapter)
    if lora.SCHEMES[adapter.scheme].needs_data:
        check_vectors(layers, adapter.scheme)
    initialization.check(adapter, {name: shape_of(module) for name, module in layers.items()})


def attach(job: Job) -> Adapted:
    """`lora.attach`, which may see the task's data."""
    model, loss = job.loaded.model, job.task.loss and job.task.loss(job.loaded)
    adapter = training_whole(job.config.adapter, job.loaded.fresh)
    report = on_batches(job, lambda batches: lora.attach(model, adapter, batches, loss))
    return own(job.config, model, report)


def attach_once(job: Job, folder: Path) -> Adapted:
    """The same, with what an initialization gave kept in a folder and read where it is there: the
    runs of a sweep that differ in their learning rate alone begin with one initialization. It is
    made anew where the data or the base model have changed since."""
    kept = folder / seen(job)
    if (kept / state.FILE).is_file():
        with suppress(outputs.Damaged):
            return resume(job, kept)
    adapted = attach(job)
    kept.mkdir(parents=True, exist_ok=True)
    state.write(job.loaded.model, kept)
    return adapted


def seen(job: Job) -> str:
    """A digest of what an initialization sees: the training examples, and entries of every
    parameter of the base model, which none of them keeps when it is trained."""
    found = hashlib.sha256(repr(job.inputs).encode())
    for name, parameter in job.loaded.model.named_parameters():
        entries = parameter.detach().flatten()
        some = entries[:: max(1, len(entries) // ENTRIES)]
        found.update(name.encode() + some.double().cpu().numpy().tobytes())
    return found.hexdigest()[:24]


def resume(job: Job, checkpoint: Path) -> Adapted:
    return own(job.config, job.loaded.model, state.rebuild(job.loaded.model, checkpoint))


def own(config: Config, model: nn.Module, report: lora.Report) -> Adapted:
    """Of a model that carries this library's adapters."""

    def callbacks(optimizer: Optimizer) -> list[TrainerCallback]:
        return [Launch(model, optimizer, config.training.launch_step)] if _launches(model) else []

    return Adapted(
        summary=str(report).splitlines()[0],
        trainable=report.trainable,
        optimizer=lambda: make_optimizer(config, model),
        callbacks=callbacks,
        save=partial(lora.save, model),
    )


def make_optimizer(config: Config, model: nn.Module) -> Optimizer:
    """Of the groups of `lora.param_groups`."""
    settings = config.training
    rates = (config.lr, settings.ratio, settings.weight_decay)
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(lora.param_groups(model, *rates))
    return lora.OPTIMIZERS[settings.optimizer](model, *rates)


def adamw(config: Config, trained: list[nn.Parameter]) -> Optimizer:
    """Of what has no factors: as `lora.param_groups`, by shape, vectors have no weight decay."""
    decay = config.training.weight_decay
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], config.lr)


class Launch(TrainerCallback):
    """Calls `lora.launch` after one step, for the variants that need it."""

    def __init__(self, model: nn.Module, optimizer: Optimizer, step: int) -> None:
        self.model, self.optimizer, self.step = model, optimizer, step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            lora.launch(self.model, self.optimizer)
            placement.share(self.model)


def _launches(model: nn.Module) -> bool:
    return any(isinstance(layer, DashLinear) for layer in lora.adapters(model).values())
