"""A claim beside its evidence: what every table, page and record is made of."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from loralab.claims import Check, Claim, Measured, Outcome, Verdict, judge
from loralab.registry import Standing

FIELDS = ("value", "low", "high", "design", "unit", "draws", "level")  # of a Measured, as kept


@dataclass(frozen=True)
class Entry:
    """A check with its measurement.

    Args:
        check: as declared.
        measured: None where it was not measured.
        standing: how the measurement stands to the registry.
        p: the least alpha at which the check is decided; None of a range.
        holm: p after Holm's correction within the family; None where none is made.
        run: the run it is from.
    """

    check: Check
    measured: Measured | None = None
    standing: Standing = field(default_factory=Standing)
    p: float | None = None
    holm: float | None = None
    run: str = ""

    @property
    def uncorrected(self) -> Outcome | None:
        """What its interval alone decides."""
        return judge(self.check.criterion, self.measured) if self.measured else None

    @property
    def outcome(self) -> Outcome | None:
        """What is decided: with Holm's correction, where one is made."""
        if self.holm is None or not self.measured or self.holm <= 1 - self.measured.level:
            return self.uncorrected
        return Outcome.UNDECIDED

    @property
    def excludes_prediction(self) -> bool:
        """Whether the interval excludes what our theory predicts, whatever the outcome."""
        predicted, m = self.check.predicted, self.measured
        return bool(predicted and m and judge(predicted, m) == Outcome.CONTRADICTED)

    @property
    def notes(self) -> list[str]:
        """What a table must say beside the outcome."""
        if self.measured is None:
            return []
        look, registered = self.standing
        return [
            f"look {look}" if registered else "exploratory",
            *(["our margin"] if self.check.ours else []),
            *(["prediction excluded"] if self.excludes_prediction else []),
            *([f"{self.uncorrected} before Holm"] if self.uncorrected != self.outcome else []),
        ]


@dataclass(frozen=True)
class Row:
    """A claim with the evidence of each of its checks, in the claim's order."""

    claim: Claim
    evidence: tuple[Entry, ...] = ()

    @property
    def deciding(self) -> list[Entry]:
        """The measured checks on which the verdict rests."""
        return [e for e in self.evidence if e.measured and not e.check.ours]

    @property
    def split(self) -> bool:
        """Whether the checks that decide have different outcomes."""
        return len({entry.outcome for entry in self.deciding}) > 1

    @property
    def missing(self) -> int:
        """How many of the checks that decide are not measured."""
        return sum(e.measured is None and not e.check.ours for e in self.evidence)

    @property
    def verdict(self) -> Verdict | None:
        """As the checks have it; open while some that decide are not measured, but for a universal
        sentence with a counter-example."""
        outcomes = [e.outcome for e in self.deciding if e.outcome]
        if outcomes and self.missing:
            outcomes.append(Outcome.UNDECIDED)
        return self.claim.verdict(outcomes)

    @property
    def complete(self) -> bool:
        return all(e.measured is not None for e in self.evidence)

    @property
    def runs(self) -> list[str]:
        """Those that the evidence is from."""
        return list(dict.fromkeys(e.run for e in self.evidence if e.run))

    @property
    def tally(self) -> str:
        """How many of the deciding checks are supported, and how many are not measured."""
        supported = sum(e.outcome == Outcome.SUPPORTED for e in self.deciding)
        left = f", {self.missing} not measured" if self.missing else ""
        return f"{supported} of {len(self.deciding) + self.missing} checks supported{left}"


def row_of(claim: Claim, measured: Mapping[str, Measured | None] | None = None) -> Row:
    """A claim with measurements by the key of a check, which stand to no registry."""
    found = measured or {}
    return Row(claim, tuple(Entry(check, found.get(check.key)) for check in claim.checks))


def kept(measured: Measured, p: float | None) -> dict[str, Any]:
    """A measurement as JSON has it."""
    return {name: getattr(measured, name) for name in FIELDS} | {"p": p}


def measured_of(record: Mapping[str, Any]) -> Measured:
    """The measurement that `kept` was given."""
    return Measured(**{name: record[name] for name in FIELDS})


def totals(rows: Iterable[Row]) -> dict[str, Counter[str]]:
    """How many claims have each verdict, are of each kind, of each scope; and how many checks are
    registered."""
    rows = list(rows)
    return {
        "verdict": Counter(str(row.verdict or "not measured") for row in rows),
        "kind": Counter(str(row.claim.kind) for row in rows),
        "scope": Counter(str(row.claim.scope) for row in rows),
        "checks": Counter(
            "not measured"
            if e.measured is None
            else "registered"
            if e.standing.registered
            else "exploratory"
            for row in rows
            for e in row.evidence
        ),
    }
