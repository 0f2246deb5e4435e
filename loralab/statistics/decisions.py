"""What intervals decide: how surely, whether two methods are equal, and how surely several
decisions are right together."""

from collections.abc import Callable, Sequence

import numpy as np

from loralab.claims import Measured, Within

HALVINGS = 50  # of alpha, so that 1 - alpha is still less than 1


def p_value(measured: Measured, criterion: Within) -> float | None:
    """The smallest alpha at which the interval of level 1 - alpha lies on one side of the
    criterion's bound; 1 where none does, None of a range and of what is exact."""

    def decided(alpha: float) -> bool:
        at = measured.at_level(1 - alpha)
        return _inside(at, criterion) or at.high < criterion.low or at.low > criterion.high

    return None if measured.interval is None else _least(decided)


def equivalence(measured: Measured, margin: float) -> float | None:
    """The p-value of two one-sided tests that a difference is within +-margin: the smallest alpha
    at which the interval of level 1 - 2 alpha is. A 95 % interval within the margin is p <= .025.
    """
    if not margin > 0:
        raise ValueError(f"a margin needs to be positive, got {margin}")
    within = Within(-margin, margin)
    if measured.interval is None:
        return None
    found = _least(lambda alpha: _inside(measured.at_level(1 - alpha), within))
    return found / 2 if found < 1 else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of a family, each as large as it must be for all decisions below a level to be
    right together with one minus that level (Holm 1979)."""
    values = np.asarray(p_values, float)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"p-values need to be within [0, 1], got {list(p_values)}")
    order = np.argsort(values, kind="stable")
    left = np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * left), 1)
    return adjusted.tolist()


def _inside(measured: Measured, criterion: Within) -> bool:
    return criterion.low <= measured.low and measured.high <= criterion.high


def _least(decided: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    if not decided(high):
        return 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if decided(middle) else (middle, high)
    return high
