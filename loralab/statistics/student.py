"""Intervals of Student: for few draws that are independent, for clusters of them, and for splits of
one data set, which are not.

Of J splits of one data set into n training and m test examples the values are correlated, since
they share examples, and their mean varies by

    (1/J + m/n) s^2                                                                              (1)

where independent draws would have s^2 / J (Nadeau and Bengio 2003). (1) is exact where the training
examples make no difference to the value and n + m is all the data; where a value varies as much
with the training set as with the test set the interval is too narrow, and with more and more splits
it does not become right. Disjoint subsets, each with its own training and test examples, are
independent, and `mean` is for them.
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
    """The mean of the clusters' means, over clusters: the cases of one are not independent, and how
    many there are does not count."""
    if not all(len(cluster) for cluster in clusters):
        raise ValueError("a mean over clusters needs a case in each")
    means = [float(np.mean(cluster)) for cluster in clusters]
    return replace(mean(means, unit), design="Student over clusters")


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
