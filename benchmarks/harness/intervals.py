"""An interval for the median that assumes no distribution.

For n independent measurements x_(1) <= ... <= x_(n) of one continuous distribution with median m,
the number of them below m is binomial (n, 1/2), whatever the distribution. So

    P(x_(k) <= m <= x_(n+1-k)) = 1 - 2 P(Bin(n, 1/2) < k),                                      (1)

and the interval of the sign test takes the largest k for which (1) is at least the confidence. At
95 % that needs n >= 6: five measurements cover with k = 1 in 93.75 % of cases only, so they have no
interval here.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A measured number, its interval where it has one, and of how many measurements it is."""

    value: float
    low: float | None = None
    high: float | None = None
    count: int = 1
    note: str = ""


def coverage(n: int, k: int) -> float:
    """(1): how often [x_(k), x_(n+1-k)] holds the median."""
    return 1 - 2 * sum(math.comb(n, i) for i in range(k)) / 2**n


def needed(confidence: float = CONFIDENCE) -> int:
    """The fewest measurements that have an interval."""
    n = 1
    while coverage(n, 1) < confidence:
        n += 1
    return n


def of_median(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """The median with the interval (1), or without one where there are too few values."""
    n, ordered = len(values), sorted(values)
    if not n:
        raise ValueError("no values have no median")
    if n < needed(confidence):
        return Estimate(statistics.median(ordered), count=n)
    k = max(k for k in range(1, n // 2 + 1) if coverage(n, k) >= confidence)
    return Estimate(statistics.median(ordered), ordered[k - 1], ordered[n - k], n)
