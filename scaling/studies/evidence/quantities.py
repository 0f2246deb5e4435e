"""What a sweep measures of a claim about two methods: each quantity with its interval over
seeds."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from loralab.claims import Measured
from loralab.statistics import geometric_mean, mean
from scaling.comparison.statistics import paired, ratio
from scaling.comparison.summary import (
    Outcome,
    Rates,
    example_score,
    lowest_loss,
    steps_needed,
    width_of_good_rates,
)

Runs = Mapping[int, Outcome]  # by seed


def difference(first: Runs, second: Runs, rng: np.random.Generator) -> Measured:
    """Of the mean scores of the test examples, over the seeds that both have."""
    seeds = [seed for seed in first if seed in second]
    scores = ([runs[seed]["scores"] for seed in seeds] for runs in (first, second))
    return paired(*scores, same_test=all(first[seed]["same_test"] for seed in seeds), rng=rng)


def steps_ratio(first: Runs, second: Runs) -> Measured:
    """Steps of the first method to the training loss that the second ends at, over the second's, on
    the same batches.

    A run that never gets there counts with all its steps, the least that it may need.
    """
    pairs = [steps_needed(first[seed], second[seed]) for seed in first if seed in second]
    steps = [len(second[seed]["losses"]) for seed in first if seed in second]
    return ratio(
        [own or all_ for (own, _), all_ in zip(pairs, steps, strict=True)],
        [wanted for _, wanted in pairs],
    )


def rate_ratio(first: Rates, second: Rates, seeds: Sequence[int]) -> Measured:
    """Best learning rate of the first method over that of the second, found for each seed by
    `optimum`."""
    return ratio(
        [optimum(first, seed) for seed in seeds], [optimum(second, seed) for seed in seeds]
    )


def optimum(rates: Rates, seed: int) -> float:
    """The learning rate of the lowest validation loss: the vertex of the parabola, in the logarithm
    of the rate, through the best rate tried and its neighbours; the best rate itself at an edge or
    beside a run that diverged."""
    tried = sorted(rate for rate in rates if seed in rates[rate])
    losses = [lowest_loss(rates[rate][seed]) for rate in tried]
    best = int(np.argmin(losses))
    near = slice(best - 1, best + 2)
    if best in (0, len(tried) - 1) or not np.isfinite(losses[near]).all():
        return tried[best]
    x = np.log10(tried[near])
    curvature, slope, _ = np.polyfit(x - x[1], losses[near], 2)
    return 10 ** float(x[1] - slope / (2 * curvature)) if curvature > 0 else tried[best]


def width_difference(first: Rates, second: Rates, seeds: Sequence[int], margin: float) -> Measured:
    """Decades of rates whose score is within the margin of the method's best, of the first minus
    the second; over the seeds."""

    def width(rates: Rates, seed: int) -> float:
        return width_of_good_rates(
            {rate: example_score(runs[seed]) for rate, runs in rates.items()}, margin
        )

    return mean([width(first, seed) - width(second, seed) for seed in seeds])


def size_ratio(first: Sequence[float], second: Sequence[float]) -> Measured:
    return geometric_mean([one / other for one, other in zip(first, second, strict=True)])


def logarithm(of: Measured) -> Measured:
    """In decades."""
    return Measured(*(math.log10(x) for x in (of.value, of.low, of.high)))
