"""Adapting a pretrained network with one factor frozen: every method at the learning rate that its
validation split chooses."""

from typing import Any

from proxies.families.asymmetry.trials.digits import pretrained, task, turns_of
from proxies.families.asymmetry.trials.networks import (
    METHODS,
    Schedule,
    accuracy,
    initialized,
    train,
)
from proxies.instruments.learning_rates import Grid, search

GRID = Grid(-5, 2, added=2, rounds=3)
BATCH = 64


def adapted(
    method: str, rank: int, samples: int, first_seed: int, seeds: int, steps: int, layers: list[int]
) -> dict[str, Any]:
    """Test accuracy of each seed at the best learning rate, by mean validation accuracy over seeds.

    Args:
        method: a key of METHODS.
        rank: r of the factors.
        samples: for training.
        first_seed: the first of consecutive seeds.
        seeds: how many.
        steps: of Adam.
        layers: which layers are adapted.

    Returns: the accuracies, the search (`edge`: whether the best is outermost), and how many
        numbers are trained.
    """
    names = tuple(range(first_seed, first_seed + seeds))
    data, nets = task(names, turns_of(seeds), samples), pretrained(names)
    initial, trained = initialized(nets, method, rank, names, layers), METHODS[method][0]
    schedule = Schedule(steps, BATCH, first_seed)

    def run(exponents: list[int]) -> list[tuple[list[float], list[float]]]:
        rates = [GRID.learning_rate(i) for i in exponents]
        factors = train(nets, initial, trained, data.train, rates, schedule)
        scores = [
            accuracy(nets, factors, split).mT.tolist() for split in (data.validation, data.test)
        ]
        return list(zip(*scores, strict=True))

    found = search(run, GRID, lambda scores: -sum(scores[0]))
    assert found.result is not None  # an accuracy is a number
    return {
        "test": found.result[1],
        "rate": found.learning_rate,
        "edge": bool(found.edge),
        "rates": found.learning_rates,
        "validation": [sum(validation) / seeds for validation, _ in found.results.values()],
        "parameters": sum(
            getattr(pair, name)[0].numel() for pair in initial.values() for name in trained
        ),
    }
