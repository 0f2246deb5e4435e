"""One interval for several cases, of which each must obey a law, or the worst is asked for."""

from collections.abc import Callable, Sequence

from loralab.claims import LEVEL, Measured

Interval = Callable[[float], tuple[float, float]]


def simultaneous(cases: Sequence[Measured], expected: float) -> Measured:
    """The case farthest from what is expected of all, with an interval that holds every case's
    truth at once: the hull of their own, each at its part of the error (Bonferroni).

    Args:
        cases: of one design.
        expected: what a law says that each of them is.
    """

    def hull(level: float) -> tuple[float, float]:
        each = _together(cases, level)
        return min(case.low for case in each), max(case.high for case in each)

    def value() -> float:
        return max((case.value for case in cases), key=lambda value: abs(value - expected))

    return _of_several(cases, value, hull, f"{len(cases)} at once")


def highest(cases: Sequence[Measured]) -> Measured:
    """The largest of several means.

    The largest lies below its own upper end, and so below the largest upper end: that needs no
    correction. That no lower end lies above its mean must be sure of all m together, as the largest
    of them is chosen: each is taken at 1 - (1 - level) / m (Bonferroni).

    Args:
        cases: of one design.
    """

    def ends(level: float) -> tuple[float, float]:
        low = max(case.low for case in _together(cases, level))
        return low, max(case.at_level(level).high for case in cases)

    def value() -> float:
        return max(case.value for case in cases)

    return _of_several(cases, value, ends, f"the largest of {len(cases)}")


def farthest(cases: Sequence[Measured]) -> Measured:
    """The largest distance of several means from 0, in the same way.

    Args:
        cases: of one design.
    """

    def ends(level: float) -> tuple[float, float]:
        low = max(max(case.low, -case.high, 0.0) for case in _together(cases, level))
        own = [case.at_level(level) for case in cases]
        return low, max(max(-case.low, case.high) for case in own)

    def value() -> float:
        return max(abs(case.value) for case in cases)

    return _of_several(cases, value, ends, f"the farthest of {len(cases)}")


def _together(cases: Sequence[Measured], level: float) -> list[Measured]:
    """Each at such a level that all intervals hold their truths at once."""
    return [case.at_level(1 - (1 - level) / len(cases)) for case in cases]


def _of_several(
    cases: Sequence[Measured], value: Callable[[], float], ends: Interval, how: str
) -> Measured:
    if not cases:
        raise ValueError("an interval of several cases needs at least one")
    design = f"{cases[0].design}, {how}"
    return Measured(value(), *ends(LEVEL), design, cases[0].unit, cases[0].draws, LEVEL, ends)
