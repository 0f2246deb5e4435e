"""Adapting a pretrained network with one factor frozen: every split at the learning rate that its
own validation part chooses, so that the choice is a part of each draw."""

from typing import Any

import torch
from torch import Tensor

from proxies.families.asymmetry.trials.networks import (
    METHODS,
    Schedule,
    initialized,
    scores,
    train,
)
from proxies.families.asymmetry.trials.populations import pretrained, task, turns_of

RATES = [10 ** (i / 2) for i in range(-6, 2)]
BATCH = 64


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
    """Test accuracy of each seed at the learning rate that its validation part chooses.

    Args:
        population: a key of POPULATIONS.
        method: a key of METHODS.
        rank: r of the factors.
        samples: for training.
        first_seed: the first of consecutive seeds.
        seeds: how many.
        steps: of Adam.
        layers: which layers are adapted.

    Returns: by seed the accuracies and the learning rates chosen, and how many numbers are trained.
    """
    names = tuple(range(first_seed, first_seed + seeds))
    data, nets = task(population, names, turns_of(seeds), samples), pretrained(population, names)
    initial, trained = initialized(nets, method, rank, names, layers), METHODS[method][0]
    factors = train(nets, initial, trained, data.train, RATES, Schedule(steps, BATCH, first_seed))
    validation, test = (scores(nets, factors, split) for split in (data.validation, data.test))
    best = chosen(*validation)
    return {
        "test": test[1].gather(1, best[:, None])[:, 0].tolist(),
        "rates": [RATES[i] for i in best.tolist()],
        "parameters": sum(
            getattr(pair, name)[0].numel() for pair in initial.values() for name in trained
        ),
    }


def chosen(loss: Tensor, accuracy: Tensor) -> Tensor:
    """The index of each seed's learning rate: the highest accuracy, and of equal ones the least
    cross-entropy, so that rounding does not choose. Both are (seeds, learning rates)."""
    best = accuracy == accuracy.amax(1, keepdim=True)
    return torch.where(best, loss, torch.inf).argmin(1)
