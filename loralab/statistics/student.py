"""Intervals of Student: for few draws that are independent, for clusters of them, and for splits of
one data set, which are not.

Of J splits of one data set into n training and m test examples the values are correlated, since
they share examples, and their mean varies by

    (1/J + m/n) s^2                                                                              (1)

where independent draws would have s^2 / J (Nadeau and Bengio 2003). (1) is exact where the training
examples make no difference to the value and n + m is all the data; where a value varies as much
with the training set as with the test set the interval is too narrow, and with more and more splits
it does not become right. Disjoint subsets, each with its own training and test examples, are
independent, and `mean` is for them. By simulation, with 10 splits 600/240 of 1200, 6 splits
1000/497 of 1797 and 15 splits 1200/597 of 1797 the interval covers 97, 96 and 93 % where the
training set matters half as much, per example, as noise does; 95, 93 and 91 % where it matters as
much; and 91, 91 and 81 % where it matters twice as much: then take disjoint subsets.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from scipy import special

from loralab.claims import LEVEL, Measured

LARGEST = math.log(np.finfo(float).max)


def mean(values: Sequence[float], unit: str = "seed") -> Measured:
    """The mean of independent draws with its 95 % Student interval: calibrated for few, near-normal
    draws."""
    draws = _row(values)
    return student(
        float(draws.mean()), _deviation(draws) / math.sqrt(len(draws)), len(draws), "Student", unit
    )


def geometric_mean(values: Sequence[float], unit: str = "seed") -> Measured:
    """The geometric mean of positive draws (paired ratios, say) with the Student interval taken in
    logarithms."""
    return mean(_logarithms(values), unit).map(raised)


def clustered(clusters: Sequence[Sequence[float]], unit: str = "network") -> Measured:
    """The mean of the clusters' means, over clusters: the cases of one are not independent.

    Cases that are right or wrong count as so many independent ones as have the same variance
    (Clopper and Pearson's interval of them, Korn and Graubard 1998), since the means of few
    clusters are far from normal where most cases are right. It covers 95 to 98 %, more where nearly
    all are, and 93 % where nine in ten are and two cases of a cluster correlate by .5.
    """
    if not all(len(cluster) for cluster in clusters):
        raise ValueError("a mean over clusters needs a case in each")
    means = [float(np.mean(cluster)) for cluster in clusters]
    found = replace(mean(means, unit), design="Student over clusters")
    if not all(np.isin(cluster, (0, 1)).all() for cluster in clusters):
        return found
    cases, rate = sum(map(len, clusters)), found.value
    square = _deviation(np.asarray(means)) ** 2 / len(means)
    worth = rate * (1 - rate) / square if square else 0.0
    worth = min(max(worth, len(means)), cases)
    interval = partial(_as_independent, rate, worth, len(means), cases)
    design = "Clopper-Pearson over clusters"
    return Measured(rate, *interval(LEVEL), design, unit, len(means), LEVEL, interval)


def _as_independent(
    rate: float, worth: float, clusters: int, cases: int, level: float
) -> tuple[float, float]:
    """Fewer still, since the variance was estimated from so few clusters."""
    # at level 0 both quantiles are 0; their ratio has a limit, that of any level close to it
    at = max(level, 1e-6)
    worth *= (quantile(cases - 1, at) / quantile(clusters - 1, at)) ** 2
    right, wrong, tail = rate * worth, (1 - rate) * worth, (1 - level) / 2
    low = special.betaincinv(right, wrong + 1, tail) if right else 0.0
    high = special.betaincinv(right + 1, wrong, 1 - tail) if wrong else 1.0
    return min(float(low), rate), max(float(high), rate)


def resplit_mean(
    values: Sequence[float], train: int, test: int, unit: str = "split of one data set"
) -> Measured:
    """The mean over splits of one data set, with the variance (1).

    Args:
        values: one for each split.
        train: training examples of a split.
        test: its test examples.
        unit: what the values were drawn by.
    """
    if min(train, test) < 1:
        raise ValueError(f"a split needs training and test examples, got {train} and {test}")
    draws = _row(values)
    error = _deviation(draws) * math.sqrt(1 / len(draws) + test / train)
    return student(float(draws.mean()), error, len(draws), "corrected for re-splits", unit)


def resplit_geometric_mean(
    values: Sequence[float], train: int, test: int, unit: str = "split of one data set"
) -> Measured:
    """`resplit_mean` of logarithms, raised."""
    return resplit_mean(_logarithms(values), train, test, unit).map(raised)


def student(centre: float, error: float, draws: int, design: str, unit: str) -> Measured:
    """An estimate and its standard error, which was estimated from so many draws."""
    interval = partial(_ends, centre, error, draws - 1)
    return Measured(centre, *interval(LEVEL), design, unit, draws, LEVEL, interval)


def raised(logarithm: float) -> float:
    """Infinite where it is too large."""
    return math.exp(logarithm) if logarithm < LARGEST else math.inf


def _ends(centre: float, error: float, freedom: int, level: float) -> tuple[float, float]:
    half = quantile(freedom, level) * error
    return centre - half, centre + half


def quantile(freedom: int, level: float) -> float:
    """How many standard errors the interval reaches."""
    return float(special.stdtrit(freedom, (1 + level) / 2))


def _deviation(draws: np.ndarray) -> float:
    return float(draws.std(ddof=1))


def _row(values: Sequence[float]) -> np.ndarray:
    draws = np.asarray(values, float)
    if draws.ndim != 1 or len(draws) < 2:
        raise ValueError(
            f"a mean with an interval needs at least two draws in one row, got shape {draws.shape}"
        )
    return draws


def _logarithms(values: Sequence[float]) -> list[float]:
    draws = np.asarray(values, float)
    if not (draws > 0).all():
        raise ValueError(f"a geometric mean needs positive draws, got {draws.min():g}")
    return np.log(draws).tolist()
