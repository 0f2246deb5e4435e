"""Comparisons of two sweeps, paired over seeds: one seed is one split, initialization and noise for
every method.

A function gives None where a sweep does not support the comparison: no best learning rate inside
its grid, a window of good learning rates that the grid cuts off, or a seed that diverged at the
learning rate in question.
"""

from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.numbers import numbers
from loralab.statistics import geometric_mean, mean
from proxies.families.overparam_generation.trials.sweep import MAIN, SPACING, Array, Sweep, good


def at_best(sweep: Sweep, score: str = MAIN) -> Array | None:
    """A score of each seed at the best learning rate."""
    best = sweep["best"]
    return None if best is None or sweep["edge"] else numbers(sweep["test"][score])[best]


def at_fixed(sweep: Sweep, score: str = MAIN) -> Array | None:
    """A score of each seed at the learning rate 1e-4."""
    found = numbers(sweep["test"][score])[sweep["fixed"]]
    return None if np.isnan(found).any() else found


def level(values: Array | None) -> Measured | None:
    """The mean over seeds."""
    return None if values is None else mean(values.tolist())


def ratio(first: Array | None, second: Array | None) -> Measured | None:
    """The first one's values over the second's, seed by seed."""
    return None if first is None or second is None else geometric_mean((first / second).tolist())


def difference(first: Array | None, second: Array | None) -> Measured | None:
    """The first one's values minus the second's, seed by seed."""
    return None if first is None or second is None else mean((first - second).tolist())


def middle(first: Array | None, second: Array | None) -> Array | None:
    """The geometric mean of the two, seed by seed."""
    return None if first is None or second is None else np.sqrt(first * second)


def widths(sweep: Sweep) -> Array | None:
    """For each seed the decades of learning rates in its window of good ones, without gaps."""
    inside = _window(sweep)
    return None if inside is None else SPACING * inside.sum(0)


def highest(sweep: Sweep) -> Array | None:
    """log10 of each seed's highest good learning rate."""
    inside = _window(sweep)
    if inside is None:
        return None
    return np.log10(sweep["rates"])[len(inside) - 1 - inside[::-1].argmax(0)]


def alive(sweep: Sweep, rate: float) -> Array | None:
    """The share of live hidden units of each seed after training at this learning rate."""
    at = _index(sweep, rate)
    return None if at is None or sweep["alive"] is None else numbers(sweep["alive"])[at]


def lag(first: Sweep | None, second: Sweep | None, rate: float) -> Array | None:
    """Decades below a learning rate at which the first method has the distance that the second has
    at that learning rate, seed by seed.

    It is read off the first one's descent from its lowest learning rate to its best, linearly in
    the logarithms of learning rate and distance; None where some seed's descent does not span that
    distance.

    Args:
        first: the sweep of the first method.
        second: that of the second one.
        rate: a learning rate of the second one.
    """
    if first is None or second is None:
        return None
    at = _index(second, rate)
    if first["best"] is None or at is None:
        return None
    wanted = np.log(numbers(second["test"][MAIN])[at])
    falling = np.log(numbers(first["test"][MAIN])[: first["best"] + 1])
    where = np.log10(first["rates"][: first["best"] + 1])
    found = []
    for level, curve in zip(wanted, falling.T, strict=True):
        if not (curve > level).any() or not (curve <= level).any():
            return None
        i = int(np.argmax(curve <= level))  # the first learning rate that is as near
        if i == 0:
            return None
        share = (curve[i - 1] - level) / (curve[i - 1] - curve[i])
        found.append(np.log10(rate) - (where[i - 1] + share * (where[i] - where[i - 1])))
    return np.array(found)


def _window(sweep: Sweep) -> Any:
    best = sweep["best"]
    if best is None or sweep["edge"] or sweep["open"]:
        return None
    found = numbers(sweep["test"][MAIN])
    return good(found, found[best])


def _index(sweep: Sweep, rate: float) -> int | None:
    return next((i for i, one in enumerate(sweep["rates"]) if np.isclose(one, rate)), None)
