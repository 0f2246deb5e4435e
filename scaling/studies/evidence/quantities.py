"""What a sweep measures of a claim about two methods: each quantity with its interval over seeds,
or None where a run that it needs diverged or is missing."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from loralab.claims import Measured
from loralab.statistics import Tuned, geometric_mean, mean, paired, tuned
from proxies.instruments.learning_rates import side
from scaling.comparison.summary import (
    Outcome,
    Outcomes,
    Rates,
    diverged,
    example_score,
    lowest_loss,
    steps_needed,
    width_of_good_rates,
)

Runs = Mapping[int, Outcome]  # by seed
Sizes = Mapping[float, Sequence[float]]  # by learning rate, seed by seed
FEATURES = ("LoRA", "Init[B]")  # whose inner features are compared


def finished(*methods: Runs) -> bool:
    """Whether all have the same two seeds or more, and no run diverged."""
    same = len({tuple(sorted(runs)) for runs in methods}) == 1
    return same and len(methods[0]) > 1 and not any(map(diverged, _all(methods)))


def _all(methods: Sequence[Runs]) -> list[Outcome]:
    return [run for runs in methods for run in runs.values()]


def difference(first: Runs, second: Runs) -> Measured | None:
    """The mean score of a test example of the first method minus that of the second."""
    if not finished(first, second):
        return None
    scores = ([runs[seed]["scores"] for seed in sorted(first)] for runs in (first, second))
    same = all(run["same_test"] for run in first.values())
    return paired(*scores, same_test=same, rng=np.random.default_rng(0))


def steps_ratio(first: Runs, second: Runs) -> Measured | None:
    """Steps of the first method to the training loss that the second ends at, over the second's, on
    the same batches.

    A run that never gets there counts with all its steps, the least that it may need.
    """
    if not finished(first, second):
        return None
    quotients = []
    for seed in sorted(first):
        own, reference = steps_needed(first[seed], second[seed])
        quotients.append((own or len(second[seed]["losses"])) / reference)
    return geometric_mean(quotients)


def learning_rate_ratio(first: Rates, second: Rates, seeds: Sequence[int]) -> Measured:
    """The best learning rate of the first method over that of the second, each the `optimum` of one
    seed."""
    return geometric_mean([optimum(first, seed) / optimum(second, seed) for seed in seeds])


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
    left, middle, right = map(math.log10, tried[near])
    falls, rises = np.diff(losses[near]) / (middle - left, right - middle)
    bend = (rises - falls) / (right - left)
    return 10 ** float((left + middle) / 2 - falls / (2 * bend)) if bend > 0 else tried[best]


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
        scores = {rate: example_score(runs[seed]) for rate, runs in rates.items()}
        return width_of_good_rates(scores, margin)

    return mean([width(first, seed) - width(second, seed) for seed in seeds])


def size_of(sizes: Sizes, by: Rates, seeds: Sequence[int]) -> Tuned:
    """Sizes at the learning rate at which a method's validation loss is lowest.

    Args:
        sizes: of the same method or of another, at each of these learning rates.
        by: the runs of the method whose learning rate is chosen.
        seeds: those that choose and that the sizes are of.
    """
    tried = sorted(by)
    losses = [[lowest_loss(by[rate][seed]) for seed in seeds] for rate in tried]
    return Tuned(losses, [sizes[rate] for rate in tried])


def size_ratio(first: Tuned, second: Tuned) -> Measured:
    """The geometric mean over seeds, with the choice of the learning rate."""
    return tuned(first, second, np.random.default_rng(0), by="ratio")


def inner_sizes(
    outcomes: Outcomes,
    features: Mapping[str, Sizes],
    untrained: Sequence[float],
    seeds: Sequence[int],
) -> dict[str, Measured | None]:
    """Of inner features: with each of FEATURES at its own learning rate, and with one of the two
    differences at a time.

    Args:
        outcomes: by method, learning rate and seed.
        features: sizes by method; those of the first at the learning rates of both.
        untrained: sizes of the first before training, by seed.
        seeds: those to compare.
    """
    a, b = FEATURES
    own_a = size_of(features[a], outcomes[a], seeds)
    own_b = size_of(features[b], outcomes[b], seeds)
    a_at_b = size_of(features[a], outcomes[b], seeds)
    start = own_b._replace(select=[[0.0] * len(seeds)], score=[untrained])
    return {
        "own rates": size_ratio(own_a, own_b),
        "rate": size_ratio(own_a, a_at_b),
        "start": size_ratio(a_at_b, own_b),
        "untrained": size_ratio(start, own_b),
    }


def ratio(first: Sequence[float], second: Sequence[float]) -> Measured:
    """The geometric mean of the ratios, seed by seed."""
    return geometric_mean([one / other for one, other in zip(first, second, strict=True)])
