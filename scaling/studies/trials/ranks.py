"""The largest learning rate at which what an adapter adds to a language model stays bounded."""

import math
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

import lora
from scaling.core import outputs
from scaling.core.config import Config
from scaling.studies.claims.ranks import TARGET
from scaling.studies.trials.adapters import NOTHING

FACTOR = 4.0  # between two learning rates of the search
FIRST = 3e-2  # of the search
MOST = 12  # runs of a search, some 7 decades


def bounded(settings: dict[str, Any], peft: None) -> dict[str, float]:
    """The size of s B A x over that of W x after a run, by its learning rate (a string, as in
    JSON): as many as enclose `TARGET` by two finite sizes.

    Args:
        settings: those of the run, but for the learning rate.
        peft: nothing; every trial of a sweep has this argument.

    Raises: RuntimeError where no such two are found.
    """
    config = Config.of(**settings | {"validate_every": None, "limit": 1, "remember": NOTHING})
    return {
        str(rate): size
        for rate, size in enclosed(lambda rate: added(config.replace(lr=rate)), FIRST).items()
    }


def enclosed(size: Callable[[float], float], first: float) -> dict[float, float]:
    """Sizes by learning rate, the last two tried among the neighbours of `TARGET`.

    Args:
        size: of a learning rate; it grows with it, and may be infinite.
        first: the learning rate to begin with.

    Raises: RuntimeError where no neighbours enclose it after `MOST` learning rates.
    """
    found: dict[float, float] = {}
    rate = first
    for _ in range(MOST):
        found[rate] = size(rate)
        below = [r for r, s in found.items() if s <= TARGET]
        above = [r for r, s in found.items() if s > TARGET]
        if not below:
            rate = min(above) / FACTOR
        elif not above:
            rate = max(below) * FACTOR
        elif math.isfinite(found[min(above)]):
            return found
        else:
            rate = math.sqrt(max(below) * min(above))
    raise RuntimeError(f"no learning rate encloses a size of {TARGET}: {found}")


def added(config: Config) -> float:
    """The root mean square of s B A x over that of W x after this run, on its first training batch,
    geometric mean over layers; infinite where the run diverged."""
    from scaling.training.job import on_batches
    from scaling.training.preparation import prepare
    from scaling.training.running import train  # transformers, which takes seconds to load
    from scaling.training.trainer import Diverged

    sizes: list[Tensor] = []

    def measure(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, lora.LoRALinear)
        own = layer.scale * (inputs[0].float() @ layer.A.mT @ layer.B.mT)
        sizes.append(_rms(own) / _rms(output.float() - own))

    with TemporaryDirectory() as temporary:
        try:
            train(config, Path(temporary), lambda: None, judge_base=False)
        except RuntimeError as error:
            if isinstance(error.__cause__, Diverged):
                return math.inf
            raise
        job = prepare(config)
        lora.load(job.loaded.model, Path(temporary) / outputs.ADAPTER)
    for layer in lora.adapters(job.loaded.model).values():
        layer.register_forward_hook(measure)
    with torch.no_grad():
        on_batches(job, lambda batches: job.loaded.model(**next(iter(batches))))
    size = torch.stack(sizes).log().mean().exp().item()
    return size if math.isfinite(size) else math.inf


def _rms(values: Tensor) -> Tensor:
    return values.square().mean().sqrt()
