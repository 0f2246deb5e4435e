"""How large the features are that an adapter works with, after training and before."""

from typing import Any

import torch
from torch import Tensor, nn

import lora
from scaling.comparison import trials
from scaling.core import outputs
from scaling.core.config import Config


def inner_features(settings: dict[str, Any], peft: None) -> float:
    """The root mean square of A x over the tokens of the first batch and the rank, its geometric
    mean over the layers.

    Args:
        settings: those of the run whose adapter is measured; it is trained by
            `scaling.comparison.trials.fine_tuned`, if that is not done yet.
        peft: nothing; every trial of a sweep has this argument.
    """
    from scaling.training.preparation import prepare

    folder = trials.folder_of(settings, peft)
    if not (folder / outputs.METRICS).is_file():  # made on another machine, or removed since
        trials.fine_tuned(settings, peft)
    job = prepare(Config.of(**settings))
    lora.load(job.loaded.model, folder / outputs.ADAPTER)
    return _size(job)


def untrained_features(settings: dict[str, Any], peft: None) -> float:
    """The same of an adapter as it is initialized.

    Args:
        settings: of a run.
        peft: nothing.
    """
    from scaling.training.adapting import attach
    from scaling.training.preparation import prepare

    job = prepare(Config.of(**settings))
    attach(job)
    return _size(job)


def _size(job: Any) -> float:
    from scaling.training.job import on_batches

    sizes: list[Tensor] = []

    def measure(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, lora.LoRALinear)
        sizes.append((inputs[0].to(layer.A.dtype) @ layer.A.mT).square().mean().sqrt())

    for layer in lora.adapters(job.loaded.model).values():
        layer.register_forward_pre_hook(measure)
    with torch.no_grad():
        on_batches(job, lambda batches: job.loaded.model(**next(iter(batches))))
    return torch.stack(sizes).log().mean().exp().item()
