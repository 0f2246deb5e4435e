"""Adapting a pretrained net with one factor frozen: every method at the rate that its validation
split chooses."""

from typing import Any

from proxies.families.asymmetry.trials.digits import TURNS, bases, task
from proxies.families.asymmetry.trials.networks import METHODS, accuracy, starts, train

GRID = (-5, 2)  # first and last exponent i of the rates 10^(i/2)
ADDED, MOST = 2, 3  # rates added where the best is outermost, and how often
BATCH = 64


def turns_of(seeds: int) -> tuple[str, ...]:
    """The tasks of consecutive seeds: each in its turn."""
    return tuple(list(TURNS)[i % len(TURNS)] for i in range(seeds))


def adapted(
    method: str, rank: int, samples: int, first_seed: int, seeds: int, steps: int, layers: list[int]
) -> dict[str, Any]:
    """Test accuracy of each seed at the best rate of the grid, by mean validation accuracy over
    seeds.

    The grid grows on a side for as long as the best rate is outermost there; `edge` says if that
    did not settle it.
    """
    names = tuple(range(first_seed, first_seed + seeds))
    data, nets = task(names, turns_of(seeds), samples), bases(names)
    start = starts(nets, method, rank, names, layers)
    first, last = GRID
    exponents, found = list(range(first, last + 1)), {}
    for _ in range(MOST + 1):
        new = [i for i in exponents if i not in found]
        rates = [10 ** (i / 2) for i in new]
        factors = train(
            nets, start, METHODS[method][0], *data.train, rates, steps, BATCH, first_seed
        )
        scores = [accuracy(nets, factors, *split) for split in (data.validation, data.test)]
        found |= {i: [score[:, k].tolist() for score in scores] for k, i in enumerate(new)}
        best = max(exponents, key=lambda i: sum(found[i][0]))
        if best not in (exponents[0], exponents[-1]):
            break
        exponents = (
            [exponents[0] - k for k in range(ADDED, 0, -1)] + exponents
            if best == exponents[0]
            else exponents + [exponents[-1] + k for k in range(1, ADDED + 1)]
        )
    return {
        "test": found[best][1],
        "rate": 10 ** (best / 2),
        "edge": best in (min(found), max(found)),
        "rates": [10 ** (i / 2) for i in sorted(found)],
        "validation": [sum(found[i][0]) / seeds for i in sorted(found)],
        "parameters": sum(
            getattr(f, n)[0].numel() for f in start.values() for n in METHODS[method][0]
        ),
    }
