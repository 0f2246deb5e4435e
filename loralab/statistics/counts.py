"""Intervals that need no spread to be estimated: a range, an exact number, a frequency."""

from collections.abc import Sequence
from functools import cache, partial

import numpy as np

from loralab.claims import LEVEL, Measured


def spread(values: Sequence[float], unit: str = "seed") -> Measured:
    """The median with the full range over seeds: for laws that must hold on every draw, not on
    average."""
    ends = (float(np.min(values)), float(np.max(values)))
    return Measured(float(np.median(values)), *ends, "range", unit, len(values), level=1.0)


def exact(value: float) -> Measured:
    """A number that nothing was drawn for."""
    return Measured(float(value), float(value), float(value), "exact", level=1.0)


def proportion(successes: int, trials: int, unit: str = "seed") -> Measured:
    """A frequency with its exact (Clopper-Pearson) 95 % interval."""
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(
            f"a proportion needs 0 <= successes <= trials and trials > 0, got {successes}/{trials}"
        )
    interval = partial(_clopper_pearson, successes, trials)
    return Measured(
        successes / trials, *interval(LEVEL), "Clopper-Pearson", unit, trials, LEVEL, interval
    )


@cache  # a root finder, that families ask for the same counts again and again
def _clopper_pearson(successes: int, trials: int, level: float) -> tuple[float, float]:
    from scipy.stats import binomtest  # takes half a second to load

    found = binomtest(successes, trials).proportion_ci(level)
    return float(found.low), float(found.high)
