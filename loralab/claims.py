"""A claim as data, and how evidence turns into one of four verdicts.

A claim is a sentence with one or more checks. A check states what theory predicts and the interval
in which the measured quantity must lie for the sentence to hold under the check's condition.
Evidence is a value with an interval [low, high]:

    the whole interval is accepted                        holds
    the whole interval is rejected                        refuted
    the interval straddles the bound                      inconclusive

and a claim of several checks holds under conditions when some of them hold and the others are
refuted.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

LEVEL = 0.95


class Verdict(StrEnum):
    HOLDS = "holds"
    CONDITIONS = "holds under conditions"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Within:
    """The accepted interval low <= value <= high; an end may be infinite."""

    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"a criterion needs low <= high, got [{self.low}, {self.high}]")

    def __str__(self) -> str:
        if self.low == self.high:
            return f"= {self.low:g}"
        if self.low == -math.inf:
            return f"<= {self.high:g}"
        if self.high == math.inf:
            return f">= {self.low:g}"
        return f"in [{self.low:g}, {self.high:g}]"


@dataclass(frozen=True)
class Measured:
    """A measured value with its interval, as `loralab.statistics` makes it.

    Args:
        value: the estimate.
        low, high: the interval at `level`.
        design: how the interval was made, such as "Student" or "range".
        unit: what was drawn independently, such as "seed" or "network".
        draws: how many of them.
        level: the interval's nominal coverage; 1 for a range and for an exact value.
        interval: gives (low, high) at another level from the same data; a range has none.

    Raises:
        ValueError: where the value is not finite or lies outside its interval.
    """

    value: float
    low: float
    high: float
    design: str = ""
    unit: str = ""
    draws: int = 0
    level: float = LEVEL
    interval: Callable[[float], tuple[float, float]] | None = field(
        default=None, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.low <= self.value <= self.high):
            raise ValueError(f"a measurement needs a finite low <= value <= high, got {self}")

    def at_level(self, level: float) -> "Measured":
        """The same data at another level; a range stays."""
        if self.interval is None:
            return self
        low, high = self.interval(level)
        return replace(self, low=low, high=high, level=level)

    def map(self, f: Callable[[float], float]) -> "Measured":
        """The same data through a monotone function."""
        interval = self.interval

        def mapped(level: float) -> tuple[float, float]:
            assert interval is not None
            low, high = sorted(map(f, interval(level)))
            return low, high

        low, high = sorted((f(self.low), f(self.high)))
        return replace(
            self, value=f(self.value), low=low, high=high, interval=interval and mapped
        )


@dataclass(frozen=True)
class Check:
    """One quantity that is measured for a claim, and the criterion that it must meet.

    Args:
        key: the name by which evidence is bound to the check, unique within the claim.
        criterion: the interval in which the measured quantity must lie for the claim to hold.
        condition: what is measured and under which conditions, readable without the claim's text.
        claimed: what the source says of the quantity, in words or digits; may be empty.
        predicted: what this project's theory says of it; may be empty.
        expected: the verdict known from earlier runs.
    """

    key: str
    criterion: Within
    condition: str = ""
    claimed: str = ""
    predicted: str = ""
    expected: Verdict = Verdict.HOLDS


@dataclass(frozen=True)
class Claim:
    """A sentence, where it comes from, and the chain that leads from a theorem to its evidence.

    Args:
        id: the name of the claim, such as "E1".
        statement: one sentence that can stand alone.
        source: an arXiv id, or "derived" for what this project proves itself.
        checks: at least one, with distinct keys.
        assumptions: under which conditions the statement is meant.
        equation: the theory behind it, as "theory.package.module.name" or the same with the number
            of an equation of that module, "theory.package.module (3)"; empty for a claim that no
            theory of this project speaks about.
        test: the property test, as "tests/path/test_file.py::test_name".
        trial: what is run to measure it, as "package.module.function".

    Raises:
        ValueError: without a check, or where two checks have one key.
    """

    id: str
    statement: str
    source: str
    checks: tuple[Check, ...]
    assumptions: str = ""
    equation: str = ""
    test: str = ""
    trial: str = ""

    def __post_init__(self) -> None:
        if not self.checks:
            raise ValueError(f"claim {self.id} needs at least one check")
        if len(set(self.keys)) < len(self.checks):
            raise ValueError(f"the checks of claim {self.id} need distinct keys, got {self.keys}")

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(check.key for check in self.checks)

    @property
    def expected(self) -> Verdict:
        return combine(check.expected for check in self.checks)


def judge(criterion: Within, measured: Measured) -> Verdict:
    if criterion.low <= measured.low and measured.high <= criterion.high:
        return Verdict.HOLDS
    if measured.high < criterion.low or measured.low > criterion.high:
        return Verdict.REFUTED
    return Verdict.INCONCLUSIVE


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict on a claim from those on its checks, of which there is at least one."""
    kinds = set(verdicts)
    if len(kinds) == 1:
        return kinds.pop()
    return Verdict.CONDITIONS if kinds == {Verdict.HOLDS, Verdict.REFUTED} else Verdict.INCONCLUSIVE
