"""What one sweep says of each seed, and comparisons of two sweeps, paired over seeds: one seed is
one base model, classifier, split, initialization and noise for every method.

A function gives None where a sweep does not support it: it was not run, no best learning rate lies
inside its grid, the grid cuts its window of good learning rates off, or a seed diverged at the
learning rate in question.
"""

from typing import Literal

import numpy as np

from loralab.claims import Measured
from loralab.numbers import numbers
from loralab.statistics import Tuned, geometric_mean, mean, tuned
from proxies.families.overparam_generation.trials.sweep import FACTOR, MAIN, Array, Sweep

RESAMPLES = 0  # seed of the resamples in an interval: one datum has one interval


def scored(sweep: Sweep | None, score: str = MAIN) -> Tuned | None:
    """A test score by learning rate and seed, the learning rate to be chosen on validation."""
    if sweep is None or sweep["best"] is None or sweep["edge"]:
        return None
    return Tuned(numbers(sweep["validation"]), numbers(sweep["test"][score]))


def at_best(sweep: Sweep, score: str = MAIN) -> Array | None:
    """A score of each seed at the learning rate that all seeds choose."""
    best = sweep["best"]
    return None if best is None or sweep["edge"] else numbers(sweep["test"][score])[best]


def at_fixed(sweep: Sweep | None) -> Array | None:
    """The distance of each seed at the learning rate 1e-4."""
    return None if sweep is None else _whole(numbers(sweep["test"][MAIN])[sweep["fixed"]])


def at_equal(sweep: Sweep | None) -> Array | None:
    """The distance of each seed of a plain method where its first step is as long as that of the
    over-parameterised one at 1e-4."""
    return None if sweep is None or sweep["equal"] is None else _whole(numbers(sweep["equal"]))


def alive(sweep: Sweep | None, rate: float) -> Array | None:
    """The share of live hidden units of each seed after training at this learning rate."""
    if sweep is None or sweep["alive"] is None or (at := _index(sweep, rate)) is None:
        return None
    return numbers(sweep["alive"])[at]


def level(values: Array | None) -> Measured | None:
    """The mean over seeds."""
    return None if values is None else mean(values.tolist())


def ratio(first: Array | None, second: Array | None) -> Measured | None:
    """The first one's values over the second's, seed by seed."""
    return None if first is None or second is None else geometric_mean((first / second).tolist())


def compared(
    first: Tuned | None, second: Tuned | None, by: Literal["difference", "ratio"]
) -> Measured | None:
    """The first method over, or less, the second, each at the learning rate that seeds choose."""
    if first is None or second is None:
        return None
    return tuned(first, second, np.random.default_rng(RESAMPLES), by)


def untuned(values: Array) -> Tuned:
    """What has no learning rate, seed by seed."""
    return Tuned(values[None], values[None])


def widths(sweep: Sweep | None) -> Tuned | None:
    """Decades in the window of good learning rates, for each learning rate as the best one."""
    ends = _windows(sweep)
    return None if ends is None else Tuned(ends[0], ends[2] - ends[1])


def highest(sweep: Sweep | None) -> Tuned | None:
    """log10 of the highest good learning rate, for each learning rate as the best one."""
    ends = _windows(sweep)
    return None if ends is None else Tuned(ends[0], ends[2])


def lag(first: Sweep | None, second: Sweep | None, rate: float) -> Array | None:
    """Decades below a learning rate at which the first method has the distance that the second has
    at that learning rate, seed by seed.

    It is read off the first one's descent from its lowest learning rate, linearly in the logarithms
    of learning rate and distance; None where some seed's descent does not span that distance.

    Args:
        first: the sweep of the first method.
        second: that of the second one.
        rate: a learning rate of the second one.
    """
    if first is None or second is None or (at := _index(second, rate)) is None:
        return None
    wanted = np.log(numbers(second["test"][MAIN])[at])
    where, curves = np.log10(first["rates"]), _logarithms(first)
    found = []
    for level, curve in zip(wanted, curves.T, strict=True):
        near = np.flatnonzero(curve <= level)
        if not len(near) or near[0] == 0:
            return None
        i = near[0]
        found.append(np.log10(rate) - _crossing(where, curve, i, i - 1, level))
    return np.array(found)


def _windows(sweep: Sweep | None) -> tuple[Array, Array, Array] | None:
    """What chooses, and log10 of the lowest and of the highest good learning rate, each by learning
    rate taken as the best one, and by seed."""
    if sweep is None or sweep["best"] is None or sweep["edge"] or sweep["open"]:
        return None
    where, curves = np.log10(sweep["rates"]), _logarithms(sweep)
    ends = np.full((2, *curves.shape), np.nan)
    for k, seed in np.argwhere(np.isfinite(curves)):
        for end, side in zip(ends, (-1, 1), strict=True):
            end[k, seed] = _end(where, curves[:, seed], k, side)
    return numbers(sweep["validation"]), *ends


def _end(where: Array, curve: Array, best: int, side: int) -> float:
    """How far the good learning rates go from the best one to that side."""
    limit, i = curve[best] + np.log(FACTOR), best
    while 0 <= i + side < len(curve) and curve[i + side] <= limit:
        i += side
    cut_off = not 0 <= i + side < len(curve)
    return float(where[i]) if cut_off else _crossing(where, curve, i, i + side, limit)


def _crossing(where: Array, curve: Array, near: int, far: int, limit: float) -> float:
    """Where the curve passes a limit between two neighbours; at the near one where the far one
    diverged."""
    if not np.isfinite(curve[far]):
        return float(where[near])
    share = (limit - curve[near]) / (curve[far] - curve[near])
    return float(where[near] + share * (where[far] - where[near]))


def _logarithms(sweep: Sweep) -> Array:
    """Of the distance by learning rate and seed, infinite where a run diverged."""
    found = np.log(numbers(sweep["test"][MAIN]))
    return np.where(np.isnan(found), np.inf, found)


def _whole(values: Array) -> Array | None:
    return None if np.isnan(values).any() else values


def _index(sweep: Sweep, rate: float) -> int | None:
    return next((i for i, one in enumerate(sweep["rates"]) if np.isclose(one, rate)), None)
