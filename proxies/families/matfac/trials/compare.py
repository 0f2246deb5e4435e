"""What cells say about each other: paired over seeds, each method at rates of its own choice.

A function gives None where the cells do not support the comparison: an optimum on the edge of the
rates, a window of good rates that the grid cuts off, or a bar that not every seed reaches at any
one rate.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loralab.claims import Measured
from loralab.statistics import geometric_mean, mean, proportion
from proxies.families.matfac.trials.sweep import GOOD, Cell, median_steps

DECADES = 1 / 3  # between neighbours on the grid


def numbers(table: Any) -> NDArray[np.float64]:
    """(rates, seeds), NaN for None."""
    return np.array(table, float)


def widths(cell: Cell) -> NDArray[np.float64] | None:
    """For each seed the decades of grid rates that end at excess 1e-4 or less, gaps left out."""
    return (
        None if cell["edge"] or cell["open"] else DECADES * (numbers(cell["final"]) <= GOOD).sum(0)
    )


def wider(pairs: Sequence[tuple[Cell, Cell]]) -> Measured | None:
    """How many decades wider the first one's window of good rates is, the mean over pairs taken
    seed by seed."""
    windows = [(widths(first), widths(second)) for first, second in pairs]
    known = [a - b for a, b in windows if a is not None and b is not None]
    return mean(np.mean(known, 0).tolist()) if len(known) == len(pairs) else None


def final_ratio(first: Cell, second: Cell) -> Measured | None:
    """The first one's final excess over the second's, each at its best rate."""
    a, b = (_at_best(cell) for cell in (first, second))
    return None if a is None or b is None else geometric_mean((a / b).tolist())


def share_lower(first: Cell, second: Cell) -> Measured | None:
    """On what share of the seeds the first one ends lower, each at its best rate."""
    a, b = (_at_best(cell) for cell in (first, second))
    return None if a is None or b is None else proportion(int((a < b).sum()), len(a))


def fixed_ratio(first: Cell, second: Cell) -> Measured:
    """The same for cells of a single rate; a diverged run has no place in a ratio, and is an error
    here."""
    return geometric_mean((numbers(first["final"])[0] / numbers(second["final"])[0]).tolist())


def steps_ratio(first: Cell, second: Cell, bar: str = "1e-4") -> Measured | None:
    """The first one's steps to the bar over the second's, each at the rate that gets all its seeds
    there soonest."""
    a, b = (_soonest(cell, bar) for cell in (first, second))
    return None if a is None or b is None else geometric_mean((a / b).tolist())


def fewest(cell: dict[str, Any] | Cell, bar: str) -> float | None:
    """The fewest steps to the bar over rates, in the median over seeds."""
    steps = median_steps(numbers(cell["steps"][bar])).min()
    return float(steps) if np.isfinite(steps) else None


def _at_best(cell: Cell) -> NDArray[np.float64] | None:
    return None if cell["best"] is None or cell["edge"] else numbers(cell["final"])[cell["best"]]


def _soonest(cell: Cell, bar: str) -> NDArray[np.float64] | None:
    steps = numbers(cell["steps"][bar])
    medians = np.where(np.isnan(steps).any(1), np.inf, np.median(steps, 1))
    at = int(medians.argmin())
    return steps[at] if 0 < at < len(steps) - 1 and np.isfinite(medians[at]) else None
