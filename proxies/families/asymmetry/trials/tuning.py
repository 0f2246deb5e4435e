"""Adapting a pretrained network with one factor frozen: every method at its best learning rate,
which is chosen on networks apart from those that are compared."""

from typing import Any

import torch
from torch import Tensor

from lora import Factors
from proxies.families.asymmetry.trials.networks import (
    METHODS,
    Nets,
    Schedule,
    initialized,
    scores,
    train,
)
from proxies.families.asymmetry.trials.populations import Task, pretrained, task, turns_of

RATES = [10 ** (i / 2) for i in range(-6, 2)]
BATCH = 64
APART = 500  # added to the first seed for the networks on which the learning rate is chosen
CHOOSERS = 4  # of them


def adapted(
    population: str,
    method: str,
    rank: int,
    samples: int,
    first_seed: int,
    seeds: int,
    steps: int,
    layers: list[int],
) -> dict[str, Any]:
    """Test accuracy of each seed at the learning rate that CHOOSERS other networks choose by their
    validation samples.

    Args:
        population: a key of POPULATIONS.
        method: a key of METHODS.
        rank: r of the factors.
        samples: for training.
        first_seed: the first of consecutive seeds.
        seeds: how many.
        steps: of Adam.
        layers: which layers are adapted.

    Returns: the accuracies, the learning rate, whether it is outermost of RATES, and how many
        numbers are trained.
    """

    def trained(
        first: int, count: int, rates: list[float]
    ) -> tuple[Nets, Task, dict[int, Factors]]:
        names = tuple(range(first, first + count))
        data = task(population, names, turns_of(count), samples)
        nets = pretrained(population, names)
        initial = initialized(nets, method, rank, names, layers)
        schedule = Schedule(steps, BATCH, first)
        return nets, data, train(nets, initial, METHODS[method][0], data.train, rates, schedule)

    nets, data, factors = trained(first_seed + APART, CHOOSERS, RATES)
    best = chosen(*scores(nets, factors, data.validation))
    nets, data, factors = trained(first_seed, seeds, [RATES[best]])
    return {
        "test": scores(nets, factors, data.test)[1][:, 0].tolist(),
        "rate": RATES[best],
        "edge": best in (0, len(RATES) - 1),
        "parameters": sum(
            getattr(pair, name)[0].numel()
            for pair in factors.values()
            for name in METHODS[method][0]
        ),
    }


def chosen(loss: Tensor, accuracy: Tensor) -> int:
    """The index of the learning rate of the highest mean accuracy, and of equal ones of the least
    mean cross-entropy, so that rounding does not choose. Both are (seeds, learning rates)."""
    loss, accuracy = loss.mean(0), accuracy.mean(0)
    return int(torch.where(accuracy == accuracy.max(), loss, torch.inf).argmin())
