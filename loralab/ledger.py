"""The ledger: every declared claim beside its evidence, as tables for people and as JSON for
programs."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from loralab.claims import Check, Claim, Measured, Verdict, combine, judge

COLOURS = {
    Verdict.HOLDS: "green",
    Verdict.CONDITIONS: "yellow",
    Verdict.REFUTED: "red",
    Verdict.INCONCLUSIVE: "magenta",
}
Stored = Mapping[str, Mapping[str, Sequence[float] | None]]
"""Evidence as JSON has it: claim id -> key of the check -> value, low, high; None where the run did
not measure the check."""


@dataclass(frozen=True)
class Row:
    """A claim and its evidence from one run.

    Args:
        claim: the declared claim.
        measured: by the key of a check; a check that the run did not measure is absent or None. A
            run may measure part of a claim (one target of several, say).
        run: the first digits of the run's key, empty while there is none.
    """

    claim: Claim
    measured: Mapping[str, Measured | None]
    run: str = ""

    @property
    def evidence(self) -> list[tuple[Check, Measured | None, Verdict | None]]:
        """Every check with its measurement and verdict, in the order of the claim."""
        pairs = [
            (check, self.measured.get(key))
            for check, key in zip(self.claim.checks, self.claim.keys, strict=True)
        ]
        return [(check, m, m and judge(check.criterion, m)) for check, m in pairs]

    @property
    def verdict(self) -> Verdict | None:
        known = [verdict for _, _, verdict in self.evidence if verdict]
        return combine(known) if known else None

    @property
    def complete(self) -> bool:
        return all(m is not None for _, m, _ in self.evidence)

    @property
    def surprises(self) -> list[tuple[Check, Measured | None, Verdict | None]]:
        """The checks that came out otherwise than declared: the same mix for another reason is a
        changed result."""
        return [entry for entry in self.evidence if entry[2] and entry[2] != entry[0].expected]

    @property
    def contradicted(self) -> bool:
        """Whether a check was decided, and otherwise than declared."""
        return any(verdict != Verdict.INCONCLUSIVE for _, _, verdict in self.surprises)

    @property
    def deciding(self) -> tuple[Check, Measured | None, Verdict | None]:
        """The check to show in one line: the first surprise, else the first refuted, the first
        inconclusive, the first measured, the first."""
        shown = self.surprises[:1]
        for wanted in (Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.HOLDS):
            shown += [entry for entry in self.evidence if entry[2] == wanted]
        return (shown or self.evidence)[0]

    def as_json(self) -> dict[str, Any]:
        """The claim, the check that decides it, and every check."""
        shown, _, _ = self.deciding
        checks = [
            {
                "key": key,
                "condition": check.condition,
                "claimed": check.claimed,
                "predicted": check.predicted,
                "measured": m.value if m else None,
                "low": m.low if m else None,
                "high": m.high if m else None,
                "criterion": str(check.criterion),
                "verdict": verdict,
                "expected": check.expected,
            }
            for key, (check, m, verdict) in zip(self.claim.keys, self.evidence, strict=True)
        ]
        deciding = checks[self.claim.checks.index(shown)]
        return {
            **{name: getattr(self.claim, name) for name in ("id", "statement", "source")},
            **deciding,
            "verdict": self.verdict,
            "expected": self.claim.expected,
            "run": self.run or None,
            "checks": checks,
        }


def rows_of(claims: Iterable[Claim], measured: Stored | None, run: str = "") -> list[Row]:
    """The claims of one family with stored evidence, or without any."""
    found = {
        id: {key: Measured(*m) if m else None for key, m in checks.items()}
        for id, checks in (measured or {}).items()
    }
    return [Row(claim, found.get(claim.id, {}), run) for claim in claims]


def as_text(rows: Iterable[Row]) -> str:
    """The ledger as JSON: what `loralab claims --json` prints."""
    return json.dumps([row.as_json() for row in rows], indent=1)


def number(value: float) -> str:
    return f"{value:.3g}"


def with_interval(measured: Measured | None) -> str:
    if measured is None:
        return "-"
    if measured.low == measured.high:
        return number(measured.value)
    return f"{number(measured.value)} [{number(measured.low)}, {number(measured.high)}]"


def as_table(rows: Iterable[Row]) -> Table:
    """Every check of every claim, the claim's verdict at its first line."""
    table = Table(show_lines=False, pad_edge=False)
    for name, options in {
        "id": {"no_wrap": True},
        "claim": {"ratio": 3, "overflow": "fold"},
        "source's claim": {"ratio": 1},
        "our prediction": {"ratio": 1},
        "measured": {"ratio": 1},
        "holds if": {"ratio": 1},
        "verdict": {"min_width": 12},
    }.items():
        table.add_column(name, **options)
    for row in rows:
        several = len(row.claim.checks) > 1
        if several:
            head = (row.claim.id, escape(row.claim.statement), "", "", "", "")
            table.add_row(*head, _coloured(row.verdict))
        for check, measured, verdict in row.evidence:
            first = ("", f"- {check.condition}") if several else (row.claim.id, row.claim.statement)
            texts = (
                *first,
                check.claimed,
                check.predicted,
                with_interval(measured),
                str(check.criterion),
            )
            table.add_row(*map(escape, texts), _coloured(verdict))
    return table


def cell(value: Any) -> str:
    """A table cell: three digits for a float, a dash for what is missing."""
    if value is None:
        return "-"
    return number(value) if isinstance(value, float) else str(value)


def records_table(title: str, records: list[dict[str, Any]]) -> Table:
    table = Table(*records[0], title=title, title_justify="left", pad_edge=False)
    for record in records:
        table.add_row(*(escape(cell(value)) for value in record.values()))
    return table


def show(table: RenderableType) -> None:
    """Print a table: as wide as the terminal, and elsewhere as $COLUMNS says, else wide enough for
    a sentence."""
    Console(width=_width()).print(table)


def text_of(*tables: Table) -> str:
    """The tables as `show` prints them, without colours."""
    console = Console(width=_width(), file=StringIO())
    console.print(*tables, sep="\n")
    return console.file.getvalue().rstrip("\n")  # type: ignore[attr-defined]


def _width() -> int | None:
    return None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", 150))


def _coloured(verdict: Verdict | None) -> str:
    return f"[{COLOURS[verdict]}]{verdict}" if verdict else "[dim]not measured"
