"""How a sweep compares two methods in words, and by ratios; the interval of a difference is that of
`loralab.statistics.paired`."""

import math
from collections.abc import Sequence

from loralab.claims import Measured
from loralab.statistics import geometric_mean, paired

__all__ = ["paired", "ratio", "verdict"]


def verdict(difference: Measured, margin: float) -> str:
    """What the interval says of the first method, where a difference up to the margin does not
    matter.

    "better", "worse": the whole interval is on one side of zero; where it is within the margin too,
    the difference is sure and small, and the words say so. "no difference": it holds zero and is
    within the margin. Else "undecided".
    """
    if not 0 <= margin < math.inf:
        raise ValueError(f"margin must be non-negative and finite, got {margin}")
    small = -margin <= difference.low and difference.high <= margin
    if difference.low <= 0 <= difference.high:
        return "no difference" if small else "undecided"
    side = "better" if difference.low > 0 else "worse"
    return f"{side}, by less than the margin" if small else side


def ratio(first: Sequence[float], second: Sequence[float]) -> Measured:
    """The geometric mean over seeds of first / second, with Student's interval in logarithms; (0,
    inf) of one seed."""
    if len(first) != len(second) or not len(first):
        raise ValueError(
            f"a ratio needs the same seeds of both methods, got {len(first)} and {len(second)}"
        )
    if min(*first, *second) <= 0:
        raise ValueError(f"a ratio needs positive values, got {min(*first, *second):g}")
    quotients = [one / other for one, other in zip(first, second, strict=True)]
    return geometric_mean(quotients) if len(quotients) > 1 else Measured(quotients[0], 0, math.inf)
