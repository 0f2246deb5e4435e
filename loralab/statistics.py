"""Intervals around measured quantities. Each says in one line what its interval covers."""

from collections.abc import Sequence

import numpy as np
from scipy import special

from loralab.claims import Measured

LEVEL = 0.95


def spread(values: Sequence[float]) -> Measured:
    """The median with the full range over seeds: for laws that must hold on every draw, not on
    average."""
    return Measured(float(np.median(values)), float(np.min(values)), float(np.max(values)))


def proportion(successes: int, trials: int) -> Measured:
    """A frequency with its exact (Clopper-Pearson) 95 % interval."""
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(
            f"a proportion needs 0 <= successes <= trials and trials > 0, got {successes}/{trials}"
        )
    tail, failures = (1 - LEVEL) / 2, trials - successes
    low = special.betaincinv(successes, failures + 1, tail) if successes else 0.0
    high = special.betaincinv(successes + 1, failures, 1 - tail) if failures else 1.0
    return Measured(successes / trials, float(low), float(high))


def mean(values: Sequence[float]) -> Measured:
    """The mean of independent draws with its 95 % Student interval: calibrated for few, near-normal
    draws."""
    draws = np.asarray(values, float)
    if draws.ndim != 1 or len(draws) < 2:
        raise ValueError(
            f"a mean with an interval needs at least two draws in one row, got shape {draws.shape}"
        )
    centre = float(draws.mean())
    quantile = special.stdtrit(len(draws) - 1, (1 + LEVEL) / 2)
    half = float(quantile * draws.std(ddof=1) / np.sqrt(len(draws)))
    return Measured(centre, centre - half, centre + half)


def geometric_mean(values: Sequence[float]) -> Measured:
    """The geometric mean of positive draws (paired ratios, say) with the Student interval taken in
    logarithms."""
    draws = np.asarray(values, float)
    if not (draws > 0).all():
        raise ValueError(f"a geometric mean needs positive draws, got {draws.min():g}")
    log = mean(np.log(draws).tolist())
    return Measured(*(float(np.exp(x)) for x in (log.value, log.low, log.high)))
