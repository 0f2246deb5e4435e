"""A row of a suite, and what becomes of it.

A row is plain data: the ratio of two quantities (or one quantity alone), the aim it should reach,
and the function that measures them. Rows that share the function are measured together, in
interleaved pairs, so that `above / below` is the median of the ratios of pairs.

A timed row is judged by the interval of its ratio (`intervals`): it misses its aim only where the
whole interval is beyond it, and meets it only where the whole interval is within. Between the two,
or with too few pairs for an interval, it stays open. A count is the same in every run, so it is its
own interval.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from benchmarks.harness.intervals import Estimate, of_median


@dataclass(frozen=True)
class Setting:
    """How a run measures."""

    pairs: int = 15
    """timed rounds, after one that warms up"""
    toy: bool = False
    """tiny models, which show only that a row runs"""
    reason: str = "ran at a toy size"
    """what is said of a row then"""
    device: str = "cpu"


Quantity = Sequence[float] | Estimate
"""the values of the pairs in their order, or a number that has its own interval"""
How = Callable[[Setting, tuple[str, ...]], Mapping[str, Quantity]]
"""how(setting, wanted) measures the wanted quantities by name"""


class NotMeasured(Exception):
    """Raised by a `How` with the reason why this machine cannot measure it."""


class Verdict(Enum):
    MET = "met"
    MISSED = "MISSED"
    OPEN = "open"
    NO_AIM = "-"
    NOT_MEASURED = "not measured"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Row:
    """above / below, or `above` alone where nothing is below."""

    subject: str
    above: str
    below: str | None
    how: How
    aim: float | None = None
    sign: Literal["<=", ">="] = "<="
    unit: str = "processor time"
    exact: bool = False
    """one value, which every run repeats (a count), or nearly (a peak of memory)"""

    @property
    def name(self) -> str:
        return f"{self.subject}: {self.above}" + (f" / {self.below}" if self.below else "")

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.above,) if self.below is None else (self.above, self.below)

    @property
    def peer(self) -> bool:
        """Whether PEFT takes part."""
        return any("PEFT" in quantity for quantity in self.quantities)


@dataclass(frozen=True)
class Result:
    """What was measured of a row, and the verdict with its reason."""

    row: Row
    verdict: Verdict
    reason: str = ""
    estimate: Estimate | None = None
    medians: Mapping[str, float] = field(default_factory=dict)


def judge(row: Row, estimate: Estimate) -> Verdict:
    """The verdict of the interval on the aim."""
    if row.aim is None:
        return Verdict.NO_AIM
    low, high = estimate.low, estimate.high
    if row.exact:
        low = high = estimate.value
    if low is None or high is None:
        return Verdict.OPEN
    if row.sign == ">=":
        low, high, aim = -high, -low, -row.aim
    else:
        aim = row.aim
    return Verdict.MET if high <= aim else Verdict.MISSED if low > aim else Verdict.OPEN


def estimated(quantity: Quantity) -> Estimate:
    return quantity if isinstance(quantity, Estimate) else of_median(quantity)


def result(row: Row, measured: Mapping[str, Quantity]) -> Result:
    """The row's estimate and verdict from the quantities measured for it."""
    medians = {name: estimated(measured[name]).value for name in row.quantities}
    above = measured[row.above]
    if row.below is None:
        estimate = estimated(above)
    else:
        below = measured[row.below]
        if isinstance(above, Estimate) or isinstance(below, Estimate):
            raise TypeError(f"{row.name}: a ratio needs the values of its pairs")
        estimate = of_median([a / b for a, b in zip(above, below, strict=True)])
    return Result(row, judge(row, estimate), estimate.note, estimate, medians)


def run(rows: Sequence[Row], setting: Setting, show: Callable[[Result], None]) -> list[Result]:
    """Measure and judge the rows, those of one function together, and show each when it is known.

    An error of one function is the failure of its rows alone: the others are measured still.
    """
    groups: dict[How, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.how, []).append(row)
    results = []
    for how, together in groups.items():
        wanted = tuple(dict.fromkeys(name for row in together for name in row.quantities))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the peers', which change with their versions
                measured = how(setting, wanted)
            found = [result(row, measured) for row in together]
        except NotMeasured as reason:
            found = [Result(row, Verdict.NOT_MEASURED, str(reason)) for row in together]
        except Exception as error:
            text = f"{type(error).__name__}: {error}".splitlines()[0]
            found = [Result(row, Verdict.FAILED, text) for row in together]
        if setting.toy:
            found = [as_toy(entry, setting.reason) for entry in found]
        for entry in found:
            show(entry)
        results += found
    return results


def as_toy(entry: Result, reason: str) -> Result:
    """At a toy size a number says nothing: only that the row runs."""
    if entry.verdict in (Verdict.FAILED, Verdict.NOT_MEASURED):
        return entry
    return Result(entry.row, Verdict.NOT_MEASURED, reason)
