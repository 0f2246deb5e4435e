"""A claim as data, and how evidence turns into a verdict (docs/evidence.md).

A claim is a sentence with one or more checks. A check states what the source says of one quantity,
what our theory predicts of it, and the criterion: the interval in which the quantity must lie for
the source's sentence to be true. Evidence is a value with an interval [low, high]:

    the whole interval is accepted                        supported
    the whole interval is rejected                        contradicted
    the interval straddles the bound                      undecided

The verdict on the claim follows from those on its checks. "Holds" and "refuted" are said only where
the evidence was measured on something that the source's sentence speaks about; elsewhere the claim
was seen, or not seen, at this scale.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

LEVEL = 0.95


class Kind(StrEnum):
    IDENTITY = "identity"
    """algebra, exact up to rounding"""
    LAW = "law"
    """must hold on every draw"""
    EFFECT = "effect"
    """a difference or a ratio between methods, estimated"""
    RESOURCE = "resource"
    """memory, counts, time"""


class Scope(StrEnum):
    """What the evidence was measured on."""

    EXACT = "exact"
    """closed forms and constructed counter-examples"""
    SIMULATION = "simulation"
    """random matrices and synthetic targets"""
    SMALL = "small network"
    """networks trained here on small data"""
    RELEASED = "released software"
    """code of PEFT or of a paper, as installed"""
    ENCODER = "encoder 22M"
    """all-MiniLM-L6-v2, a pretrained sentence encoder"""
    TOY_LM = "small language model"
    """trained here on the text of installed packages"""
    LM = "language model 135M"
    """SmolLM2-135M-Instruct, pretrained"""
    NONE = "none"
    """nothing: the claim is not testable here"""


class Outcome(StrEnum):
    """What evidence says of one check."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNDECIDED = "undecided"


class Verdict(StrEnum):
    HOLDS = "holds"
    CONDITIONS = "holds under conditions"
    REFUTED = "refuted"
    SEEN = "seen at this scale"
    SEEN_CONDITIONS = "seen under conditions at this scale"
    NOT_SEEN = "not seen at this scale"
    INCONCLUSIVE = "inconclusive"
    UNTESTABLE = "not testable here"


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
            return f"= {self.low:.4g}"
        if self.low == -math.inf:
            return f"<= {self.high:.4g}"
        if self.high == math.inf:
            return f">= {self.low:.4g}"
        return f"in [{self.low:.4g}, {self.high:.4g}]"


def at(value: float) -> Within:
    """A prediction of one value."""
    return Within(value, value)


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
        return replace(self, value=f(self.value), low=low, high=high, interval=interval and mapped)


@dataclass(frozen=True)
class Check:
    """One quantity that is measured for a claim, and the criterion that it must meet.

    Args:
        key: the name by which evidence is bound to the check, unique within the claim.
        criterion: the interval in which the measured quantity must lie for the source's sentence to
            be true.
        condition: what is measured and under which conditions, readable without the claim's text.
        claimed: what the source says of the quantity, in words or digits; may be empty.
        predicted: what this project's theory says of it. None without a prediction, and for an
            identity, whose criterion is the rounding that is predicted.
        ours: whether the criterion is a margin of this project (is the effect relevant?): it is
            shown and does not decide the claim.
        scope: what the check was measured on, where that is not the claim's scope.
    """

    key: str
    criterion: Within
    condition: str = ""
    claimed: str = ""
    predicted: Within | None = None
    ours: bool = False
    scope: Scope | None = None


@dataclass(frozen=True)
class Claim:
    """A sentence, where it comes from, and the chain that leads from a theorem to its evidence.

    Args:
        id: the name of the claim, such as "E1".
        statement: one sentence that can stand alone, with its scope in it.
        source: an arXiv id, or "derived" for what this project proves itself.
        checks: with distinct keys; at least one that is not `ours`, unless the claim is untestable.
        assumptions: the conditions that all checks share.
        equation: the theory behind it, as "theory.package.module.name" or the same with the number
            of an equation of that module, "theory.package.module (3)"; empty for a claim that no
            theory of this project speaks about.
        test: the property test, as "tests/path/test_file.py::test_name".
        trial: what is run to measure it, as "package.module.function".
        kind: which sort of statement it is.
        scope: what its evidence was measured on.
        covers: whether the source's sentence speaks about that scope.
        where: the place in the source ("abstract", "theorem 4.3", "figure 2").
        separates: the condition that separates the supported checks from the contradicted ones.
        universal: whether one contradicted check refutes the sentence ("for every target").
        untestable: why the claim cannot be tested here; it then has no checks.

    Raises:
        ValueError: without a check that decides, or where two checks have one key.
    """

    id: str
    statement: str
    source: str
    checks: tuple[Check, ...] = ()
    assumptions: str = ""
    equation: str = ""
    test: str = ""
    trial: str = ""
    kind: Kind = field(kw_only=True)
    scope: Scope = field(kw_only=True)
    covers: bool = field(default=True, kw_only=True)
    where: str = field(default="", kw_only=True)
    separates: str = field(default="", kw_only=True)
    universal: bool = field(default=False, kw_only=True)
    untestable: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        if not self.untestable and all(check.ours for check in self.checks):
            raise ValueError(f"claim {self.id} needs at least one check that decides it")
        if self.untestable and self.checks:
            raise ValueError(f"claim {self.id} needs no checks, as it is not testable")
        if bool(self.untestable) != (self.scope == Scope.NONE):
            raise ValueError(f"claim {self.id} needs the scope none exactly if it is not testable")
        if len(set(self.keys)) < len(self.checks):
            raise ValueError(f"the checks of claim {self.id} need distinct keys, got {self.keys}")

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(check.key for check in self.checks)

    def verdict(self, outcomes: Iterable[Outcome]) -> Verdict | None:
        """The verdict from the outcomes of the checks that decide the claim; None of none."""
        found = set(outcomes)
        if self.untestable:
            return Verdict.UNTESTABLE
        if not found:
            return None
        if self.universal and Outcome.CONTRADICTED in found:
            found = {Outcome.CONTRADICTED}
        if Outcome.UNDECIDED in found:
            return Verdict.INCONCLUSIVE
        return _DECIDED[frozenset(found)][not self.covers]


_DECIDED = {
    frozenset({Outcome.SUPPORTED}): (Verdict.HOLDS, Verdict.SEEN),
    frozenset({Outcome.CONTRADICTED}): (Verdict.REFUTED, Verdict.NOT_SEEN),
    frozenset({Outcome.SUPPORTED, Outcome.CONTRADICTED}): (
        Verdict.CONDITIONS,
        Verdict.SEEN_CONDITIONS,
    ),
}


def judge(criterion: Within, measured: Measured) -> Outcome:
    if criterion.low <= measured.low and measured.high <= criterion.high:
        return Outcome.SUPPORTED
    if measured.high < criterion.low or measured.low > criterion.high:
        return Outcome.CONTRADICTED
    return Outcome.UNDECIDED
