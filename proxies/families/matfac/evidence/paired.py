"""Comparisons of two methods, paired over seeds.

A function gives None where the runs do not support the comparison: an optimum on the edge of the
grid, a window of good learning rates that the grid cuts off, or a run at one learning rate that
diverged.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loralab.claims import Measured
from loralab.numbers import numbers
from loralab.statistics import Tuned, geometric_mean, mean, tuned
from proxies.families.matfac.trials.sweep import GOOD, Sweep, Table, median_steps
from proxies.instruments.learning_rates import side

RESAMPLES = 0  # seed of the resamples of `tuned`
Array = NDArray[np.float64]


def widths(sweep: Sweep) -> Array | None:
    """For each seed the decades of learning rates that end at excess 1e-4 or less: how many of the
    grid do, over how many lie in a decade."""
    if sweep["best"] is None or sweep["edge"] or sweep["open"]:
        return None
    return (numbers(sweep["final"]) <= GOOD).sum(0) / sweep["per_decade"]


def wider(pairs: Sequence[tuple[Sweep, Sweep]]) -> Measured | None:
    """How many decades wider the first one's window of good learning rates is, the mean over pairs
    taken seed by seed."""
    windows = [(widths(first), widths(second)) for first, second in pairs]
    known = [a - b for a, b in windows if a is not None and b is not None]
    return mean(np.mean(known, 0).tolist()) if len(known) == len(pairs) else None


def final_ratio(first: Sweep, second: Sweep) -> Measured | None:
    """The first one's final excess over the second's, each at the learning rate with the least mean
    logarithm of it."""
    return _tuned_ratio(first, second, lambda sweep: numbers(sweep["final"]), np.log)


def steps_ratio(first: Sweep, second: Sweep) -> Measured | None:
    """The first one's steps to 1e-4 over the second's, each at the learning rate with the fewest
    on average. A run that does not get there counts as if its last step had."""
    return _tuned_ratio(first, second, _steps, np.asarray)


def _steps(sweep: Sweep) -> Array:
    steps = numbers(sweep["steps"]["1e-4"])
    return np.where(np.isnan(steps), sweep["last"], steps)


def _tuned_ratio(
    first: Sweep,
    second: Sweep,
    score: Callable[[Sweep], Array],
    select: Callable[[Array], Array],
) -> Measured | None:
    one, other = (Tuned(select(x), x) for x in (score(first), score(second)))
    if _outermost(one) or _outermost(other):
        return None
    return tuned(one, other, np.random.default_rng(RESAMPLES), by="ratio")


def _outermost(method: Tuned) -> bool:
    """Whether the best learning rate is on an edge of the grid, or there is none."""
    means = np.asarray(method.select).mean(1)  # nan where a run diverged, which is never the best
    if np.isnan(means).all():
        return True
    return bool(side(range(len(means)), int(np.nanargmin(means))))


def one_rate_ratio(found: Mapping[str, Table], second: str) -> Measured | None:
    """The final excess of OP-LoRA over that of another method, both at one learning rate."""
    ratio = numbers(found["OP-LoRA"])[0] / numbers(found[second])[0]
    return None if np.isnan(ratio).any() else geometric_mean(ratio.tolist())


def fewest(result: Mapping[str, Any], bar: str) -> float | None:
    """The fewest steps to the bar over learning rates, in the median over seeds."""
    steps = median_steps(numbers(result["steps"][bar])).min()
    return float(steps) if np.isfinite(steps) else None
