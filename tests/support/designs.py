"""Made-up studies whose truth is known: draws in the designs that intervals are made for."""

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from loralab.claims import Measured
from loralab.statistics import Tuned, clustered, paired, resplit_mean, tuned

Rng = np.random.Generator
Study = Callable[[Rng], tuple[Measured, float]]  # an interval, and the truth
Studies = Callable[[Rng], Iterator[tuple[Measured, float]]]


def many(study: Study) -> Studies:
    """The same study again and again."""

    def studies(rng: Rng) -> Iterator[tuple[Measured, float]]:
        while True:
            yield study(rng)

    return studies


def seen(studies: Studies, times: int) -> list[tuple[Measured, float]]:
    return list(islice(studies(np.random.default_rng(0)), times))


def cover(found: list[tuple[Measured, float]], level: float) -> float:
    """How often the interval of this level holds the truth."""
    at = [(measured.at_level(level), truth) for measured, truth in found]
    return float(np.mean([m.low <= truth <= m.high for m, truth in at]))


def false_verdicts(found: list[tuple[Measured, float]]) -> tuple[float, float]:
    """How often the interval lies above the truth, and below, where the truth is the bound."""
    above = np.mean([measured.low > truth for measured, truth in found])
    below = np.mean([measured.high < truth for measured, truth in found])
    return float(above), float(below)


POOLS = 50  # that are split in the same way, which costs one product of matrices


def resplits(size: int, train: int, test: int, splits: int, matters: float) -> Studies:
    """Splits of a pool that each study draws: the value of a split is the mean noise of its test
    examples, and as many times `matters` of what its training examples are worth."""

    def studies(rng: Rng) -> Iterator[tuple[Measured, float]]:
        while True:
            order = rng.permuted(np.tile(np.arange(size), (splits, 1)), axis=1)
            tested, learned = np.zeros((2, splits, size))
            np.put_along_axis(tested, order[:, :test], 1 / test, 1)
            np.put_along_axis(learned, order[:, test : test + train], matters / train, 1)
            noise, worth = rng.normal(size=(2, size, POOLS))
            for values in (tested @ noise + learned @ worth).T:
                yield resplit_mean(values.tolist(), train, test), 0.0

    return studies


def disjoint(size: int, splits: int, matters: float, mean: Callable[..., Measured]) -> Study:
    """The same examples in disjoint subsets, a third of each for the test."""
    test = size // splits // 3
    train = size // splits - test

    def study(rng: Rng) -> tuple[Measured, float]:
        noise, worth = rng.normal(size=(splits, test)), rng.normal(size=(splits, train))
        return mean((noise.mean(1) + matters * worth.mean(1)).tolist()), 0.0

    return study


def right_or_wrong(networks: int, cases: int, rate: float, correlation: float) -> Study:
    """Each network has its own rate, so that two of its cases correlate so much."""
    few = (1 - correlation) / correlation

    def study(rng: Rng) -> tuple[Measured, float]:
        own = rng.beta(rate * few, (1 - rate) * few, size=(networks, 1))
        return clustered((rng.uniform(size=(networks, cases)) < own).astype(float).tolist()), rate

    return study


def measured_in_clusters(networks: int, cases: int, correlation: float) -> Study:
    def study(rng: Rng) -> tuple[Measured, float]:
        own = correlation**0.5 * rng.normal(size=(networks, 1))
        rest = (1 - correlation) ** 0.5 * rng.normal(size=(networks, cases))
        return clustered((own + rest).tolist()), 0.0

    return study


TRUTH = 0.1


def losses(seeds: int, size: int, same_test: bool, spread: float, rest: float) -> Study:
    """Scores as in loralab.statistics.pairing (1), of two methods."""

    def study(rng: Rng) -> tuple[Measured, float]:
        own = spread * rng.normal(size=(seeds, 1))
        example = rng.normal(size=(1 if same_test else seeds, size))
        second = rng.normal(size=(seeds, size))
        first = second + TRUTH + own + example + rest * rng.normal(size=(seeds, size))
        return paired(list(first), list(second), same_test, rng), TRUTH

    return study


def answers(seeds: int, size: int, same_test: bool, spread: float, rest: float) -> Study:
    """Right or wrong: the first method alone is right on .15 of the examples, the second on .05; a
    share `rest` of the examples falls out anew for every seed, and a run may be a better or a worse
    one for the first."""

    def study(rng: Rng) -> tuple[Measured, float]:
        shape = (seeds, size)
        case = np.broadcast_to(rng.uniform(size=(1 if same_test else seeds, size)), shape)
        case = np.where(rng.uniform(size=shape) < rest, rng.uniform(size=shape), case)
        both = (rng.uniform(size=shape) < 0.6).astype(float)
        alone, other = case < 0.15 + spread * rng.normal(size=(seeds, 1)), case > 0.95
        first, second = np.where(other, 0.0, both), np.where(other, 1.0, both)
        first, second = np.where(alone, 1.0, first), np.where(alone, 0.0, second)
        return paired(list(first), list(second), same_test, rng), TRUTH

    return study


RATES, BEST = np.arange(5), (2.0, 2.5)  # five learning rates, and the best of each method
CHOICES = 4000  # draws for what is chosen on average


def rates(
    seeds: int,
    sharp: tuple[float, float],
    luck: tuple[float, float],
    shared: float,
    skewed: bool = False,
) -> Study:
    """Two methods with a parabola of scores over the learning rates, each chosen by the seeds that
    are scored.

    Args:
        seeds: of a study.
        sharp: the curvature of each method's parabola; with 0 all learning rates are equal.
        luck: the spread of a run's score, learning rate by learning rate.
        shared: the share of the luck's variance that is the same in what chooses and in the score.
        skewed: luck is exponential.
    """

    def drawn(rng: Rng, method: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        def noise() -> np.ndarray:
            return rng.exponential(size=shape) - 1 if skewed else rng.normal(size=shape)

        both = shared**0.5 * noise()
        select, score = (both + (1 - shared) ** 0.5 * noise() for _ in range(2))
        return means[method] + luck[method] * select, means[method] + luck[method] * score

    means = [
        (curve * (RATES - best) ** 2)[:, None] for curve, best in zip(sharp, BEST, strict=True)
    ]
    again = np.random.default_rng(1)
    picked = [
        means[method][drawn(again, method, (CHOICES, len(RATES), seeds))[0].mean(-1).argmin(-1)]
        for method in (0, 1)
    ]
    truth = float(picked[0].mean() - picked[1].mean())

    def study(rng: Rng) -> tuple[Measured, float]:
        common = rng.normal(size=seeds)
        found = []
        for method in (0, 1):
            own = common + 0.5 * rng.normal(size=seeds)
            select, score = drawn(rng, method, (len(RATES), seeds))
            found.append(Tuned(select + own, score + own))
        return tuned(found[0], found[1], rng), truth

    return study
