"""What training must know about a model's adapters, whoever made them: this library's here, PEFT's
in peft_methods."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from transformers import TrainerCallback

import lora
from lora.variants.dash import DashLinear
from scaling.core import placement
from scaling.core.config import Config, training_whole
from scaling.training.preparation import Job, on_batches


class Adapted(NamedTuple):
    """The functions of a model with adapters on it; `scaling.core.state` knows its tensors.

    Args:
        summary: one line about it, to be printed.
        trainable: how many numbers are trained.
        optimizer: makes a new one.
        callbacks: from the optimizer, what has to happen besides its steps.
        save: writes the adapter to a folder in PEFT's format, whole or not at all.
        penalty: what the method adds to the loss of every step, a scalar, if it does.
        resumable: whether its tensors are all that a checkpoint needs.
    """

    summary: str
    trainable: int
    optimizer: Callable[[], Optimizer]
    callbacks: Callable[[Optimizer], list[TrainerCallback]]
    save: Callable[[Path], None]
    penalty: Callable[[], Tensor] | None = None
    resumable: bool = True


def attach(job: Job) -> Adapted:
    """`lora.attach`, which may see the task's data."""
    model, loss = job.loaded.model, job.task.loss and job.task.loss(job.loaded)
    adapter = training_whole(job.config.adapter, job.loaded.fresh)
    report = on_batches(job, lambda batches: lora.attach(model, adapter, batches, loss))
    return own(job.config, model, report)


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
    rates = (settings.lr, settings.ratio, settings.weight_decay)
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(lora.param_groups(model, *rates))
    return lora.OPTIMIZERS[settings.optimizer](model, *rates)


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
