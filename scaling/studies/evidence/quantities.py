"""What a sweep measures of a claim about two methods: each quantity with its interval over
seeds."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from loralab.claims import Measured
from loralab.statistics import geometric_mean, mean
from proxies.instruments.learning_rates import side
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
    """The mean score of a test example of the first method minus that of the second, over the seeds
    that both have.

    Args:
        first: the runs of a method, by seed.
        second: the runs of the other method, by seed.
        rng: draws the bootstrap over test examples.
    """
    seeds = [seed for seed in first if seed in second]
    scores = ([runs[seed]["scores"] for seed in seeds] for runs in (first, second))
    return paired(*scores, same_test=all(first[seed]["same_test"] for seed in seeds), rng=rng)


def steps_ratio(first: Runs, second: Runs) -> Measured:
    """Steps of the first method to the training loss that the second ends at, over the second's, on
    the same batches.

    A run that never gets there counts with all its steps, the least that it may need.
    """
    seeds = [seed for seed in first if seed in second]
    pairs = [steps_needed(first[seed], second[seed]) for seed in seeds]
    steps = [len(second[seed]["losses"]) for seed in seeds]
    return ratio(
        [own or whole for (own, _), whole in zip(pairs, steps, strict=True)],
        [reference for _, reference in pairs],
    )


def learning_rate_ratio(first: Rates, second: Rates, seeds: Sequence[int]) -> Measured:
    """The best learning rate of the first method over that of the second, estimated for each seed
    by `optimum`."""
    return ratio(
        [optimum(first, seed) for seed in seeds], [optimum(second, seed) for seed in seeds]
    )


def optimum(rates: Rates, seed: int) -> float:
    """The learning rate at which the validation loss of one seed would be lowest: the vertex of the
    parabola, in the logarithm of the learning rate, through the best one tried and its neighbours.
    It is the best one tried at an edge, and beside a run that diverged.

    Two rules for the best learning rate stand side by side. `chosen` of scaling.comparison.summary
    picks one of those that were tried, as a method is compared by runs that exist. This one
    estimates where the optimum lies between those that were tried, since a claim about the optimum
    itself is not to depend on a grid of half a decade.
    """
    tried = sorted(rate for rate in rates if seed in rates[rate])
    losses = [lowest_loss(rates[rate][seed]) for rate in tried]
    best = int(np.argmin(losses))
    near = slice(best - 1, best + 2)
    if side(tried, tried[best]) or not np.isfinite(losses[near]).all():
        return tried[best]
    x = np.log10(tried[near])
    curvature, slope, _ = np.polyfit(x - x[1], losses[near], 2)
    return 10 ** float(x[1] - slope / (2 * curvature)) if curvature > 0 else tried[best]


def width_difference(first: Rates, second: Rates, seeds: Sequence[int], margin: float) -> Measured:
    """Decades of learning rates whose score is near the method's best, of the first method minus
    the second, over the seeds.

    Args:
        first: the runs of a method, by learning rate and seed.
        second: the runs of the other method.
        seeds: those to compare.
        margin: how far below the best a score may be.
    """

    def width(rates: Rates, seed: int) -> float:
        return width_of_good_rates(
            {rate: example_score(runs[seed]) for rate, runs in rates.items()}, margin
        )

    return mean([width(first, seed) - width(second, seed) for seed in seeds])


def size_ratio(first: Sequence[float], second: Sequence[float]) -> Measured:
    """The geometric mean of the ratios, pair by pair."""
    return geometric_mean([one / other for one, other in zip(first, second, strict=True)])


def logarithm(of: Measured) -> Measured:
    """In decades."""
    return Measured(*(math.log10(x) for x in (of.value, of.low, of.high)))
