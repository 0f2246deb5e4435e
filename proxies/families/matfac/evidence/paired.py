"""Comparisons of two sweeps: paired over seeds, each method at its own best learning rate.

A function gives None where the sweeps do not support the comparison: an optimum on the edge of the
grid, a window of good learning rates that the grid cuts off, or a bar that not every seed reaches
at any one learning rate.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loralab.claims import Measured
from loralab.numbers import numbers
from loralab.statistics import geometric_mean, mean, proportion
from proxies.families.matfac.trials.sweep import GOOD, Sweep, median_steps

DECADES = 1 / 3  # between neighbours on the grid


def widths(sweep: Sweep) -> NDArray[np.float64] | None:
    """For each seed the decades of learning rates that end at excess 1e-4 or less, without gaps."""
    if sweep["best"] is None or sweep["edge"] or sweep["open"]:
        return None
    return DECADES * (numbers(sweep["final"]) <= GOOD).sum(0)


def wider(pairs: Sequence[tuple[Sweep, Sweep]]) -> Measured | None:
    """How many decades wider the first one's window of good learning rates is, the mean over pairs
    taken seed by seed."""
    windows = [(widths(first), widths(second)) for first, second in pairs]
    known = [a - b for a, b in windows if a is not None and b is not None]
    return mean(np.mean(known, 0).tolist()) if len(known) == len(pairs) else None


def final_ratio(first: Sweep, second: Sweep) -> Measured | None:
    """The first one's final excess over the second's, each at its best learning rate."""
    a, b = (_at_best(sweep) for sweep in (first, second))
    return None if a is None or b is None else geometric_mean((a / b).tolist())


def share_lower(first: Sweep, second: Sweep) -> Measured | None:
    """On what share of the seeds the first one ends lower, each at its best learning rate."""
    a, b = (_at_best(sweep) for sweep in (first, second))
    return None if a is None or b is None else proportion(int((a < b).sum()), len(a))


def fixed_ratio(first: Sweep, second: Sweep) -> Measured:
    """The first one's final excess over the second's, in sweeps of one learning rate; a diverged
    run has no place in a ratio, and is an error here."""
    return geometric_mean((numbers(first["final"])[0] / numbers(second["final"])[0]).tolist())


def steps_ratio(first: Sweep, second: Sweep, bar: str = "1e-4") -> Measured | None:
    """The first one's steps to the bar over the second's, each at the learning rate that
    gets all its seeds there soonest."""
    a, b = (_soonest(sweep, bar) for sweep in (first, second))
    return None if a is None or b is None else geometric_mean((a / b).tolist())


def fewest(result: Mapping[str, Any], bar: str) -> float | None:
    """The fewest steps to the bar over learning rates, in the median over seeds."""
    steps = median_steps(numbers(result["steps"][bar])).min()
    return float(steps) if np.isfinite(steps) else None


def _at_best(sweep: Sweep) -> NDArray[np.float64] | None:
    best = sweep["best"]
    return None if best is None or sweep["edge"] else numbers(sweep["final"])[best]


def _soonest(sweep: Sweep, bar: str) -> NDArray[np.float64] | None:
    steps = numbers(sweep["steps"][bar])
    medians = np.where(np.isnan(steps).any(1), np.inf, np.median(steps, 1))
    at = int(medians.argmin())
    return steps[at] if 0 < at < len(steps) - 1 and np.isfinite(medians[at]) else None
