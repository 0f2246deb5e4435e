"""Where the directions come from: a change (out, in) for each layer, by whose rates the layer's
directions are ranked.

`lora` ranks by what an adapter has changed (LoRA-Dash) or by a gradient (LoRA-Init). Every other
source is put in the same form, so that it is the library's own ranking that is used throughout.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

import lora
from lora import Statistics
from lora.variants.dash import DashLinear, change_rates
from proxies.families.task_directions.trials.problem import Task

Changes = dict[str, Tensor]
GRADIENT_BATCHES = 8


def weights(task: Task) -> Changes:
    model = task.model()
    return {name: model.get_submodule(name).weight.detach() for name in task.layers}  # type: ignore[union-attr]


def gradient(task: Task, rng: Generator) -> Changes:
    """The loss gradient at the pretrained weights over eight batches."""
    batches = [task.batch(rng) for _ in range(GRADIENT_BATCHES)]
    found = lora.collect(task.model(), list(task.layers), batches, "gradient", task.loss)
    return {name: known(stats.gradient).float() for name, stats in found.items()}


def known(value: Tensor | None) -> Tensor:
    assert value is not None
    return value


def ranked(W: Tensor, score: Tensor) -> Tensor:
    """A change whose rates are `score` (n,), up to eps."""
    U, S, Vt = torch.linalg.svd(W, full_matrices=False)
    return (U * (S * score)) @ Vt


def by_size(W: Tensor, change: Tensor) -> Tensor:
    """A change whose rates are the sizes of the coordinates of `change`, not divided by singular
    values."""
    U, _, Vt = torch.linalg.svd(W, full_matrices=False)
    return ranked(W, ((U.mT @ change) * Vt).sum(1).abs())


def _placed(order: Callable[[int, Generator], Tensor]) -> Callable[[Task, Generator], Changes]:
    """Directions by their place in the spectrum; order(n, rng) gives their scores."""
    return lambda task, rng: {
        name: ranked(W, order(min(W.shape), rng)) for name, W in weights(task).items()
    }


SOURCES: dict[str, Callable[[Task, Generator], Changes]] = {
    "gradient": gradient,
    "gradient, by size": lambda task, rng: {
        name: by_size(W, change)
        for (name, W), change in zip(
            weights(task).items(), gradient(task, rng).values(), strict=True
        )
    },
    "oracle": lambda task, rng: task.wanted(),
    "random": _placed(lambda n, rng: 1.0 + torch.randperm(n, generator=rng)),
    "top": _placed(lambda n, rng: torch.arange(n, 0, -1.0)),
    "bottom": _placed(lambda n, rng: torch.arange(1.0, n + 1)),
}
"""name -> the changes by layer; "prelaunch" is missing here, because it takes training
(`training.prelaunch`)."""


def as_statistics(changes: Changes) -> dict[str, Statistics]:
    """The form in which the scheme `tsd_init` takes the change to rank by."""
    return {name: Statistics(1, torch.zeros(M.shape[1]), None, M) for name, M in changes.items()}


def launch(model: nn.Module, changes: Changes) -> None:
    """Launch every layer of variant `dash` or `tsd` on the directions that these changes rank
    first."""
    for name, layer in lora.adapters(model).items():
        assert isinstance(layer, DashLinear)
        U, S, Vt = torch.linalg.svd(layer.weight.detach(), full_matrices=False)
        M = changes[name]
        order = change_rates(U, S, Vt, M, torch.eye(M.shape[1])).argsort(
            descending=True, stable=True
        )
        chosen = order[: len(layer.d)]
        layer.launch(U[:, chosen], Vt[chosen], chosen)
