"""What training has to know of a model's adapters, whoever made them: this library's here, PEFT's
in comparators."""

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
from scaling.core import processes
from scaling.core.config import Config, training_whole
from scaling.training.preparation import Ready, on_batches


class Adapted(NamedTuple):
    """The functions of a model with adapters on it; `scaling.core.state` knows its tensors.

    optimizer()             a new one; raises ValueError where it does not fit the adapters
    callbacks(optimizer)    what has to happen besides its steps
    penalty()               what the method adds to the loss of every step, a scalar, if it does
    save(folder)            the adapter in PEFT's format, whole or not at all
    """

    summary: str
    trainable: int
    optimizer: Callable[[], Optimizer]
    callbacks: Callable[[Optimizer], list[TrainerCallback]]
    save: Callable[[Path], None]
    penalty: Callable[[], Tensor] | None = None
    resumable: bool = True
    """Its tensors are all that a checkpoint needs."""


def start(config: Config, ready: Ready) -> Adapted:
    """`lora.attach`, which may see the task's data."""
    model, loss = ready.loaded.model, ready.task.loss and ready.task.loss(ready.loaded)
    adapter = training_whole(config.adapter, ready.loaded.fresh)
    return own(
        config,
        model,
        on_batches(config, ready, lambda batches: lora.attach(model, adapter, batches, loss)),
    )


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
    """Raises ValueError for a variant that the optimiser does not fit."""
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
            processes.share(self.model)


def _launches(model: nn.Module) -> bool:
    return any(isinstance(layer, DashLinear) for layer in lora.adapters(model).values())
