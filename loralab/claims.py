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
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


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
    """A measured value with its interval; how the interval was made is said by the function that
    made it."""

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.low <= self.value <= self.high):
            raise ValueError(f"a measurement needs a finite low <= value <= high, got {self}")


@dataclass(frozen=True)
class Check:
    """One condition under which a claim is measured.

    `predicted` is the theory's value in words or digits; `expected` is the verdict known from
    earlier runs.
    """

    predicted: str
    criterion: Within
    condition: str = ""
    expected: Verdict = Verdict.HOLDS


@dataclass(frozen=True)
class Claim:
    """`source` is an arXiv id, or "derived" for what this project proves itself."""

    id: str
    statement: str
    source: str
    checks: tuple[Check, ...]
    assumptions: str = ""

    def __post_init__(self) -> None:
        if not self.checks:
            raise ValueError(f"claim {self.id} needs at least one check")

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
