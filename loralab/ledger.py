"""The ledger: every declared claim beside its evidence, for people (a table), programs (JSON) and
the README."""

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from loralab.claims import Check, Claim, Measured, Verdict, combine, judge
from loralab.store import Run

MARKERS = "<!-- ledger -->\n", "<!-- /ledger -->"  # what the README's table stands between
COLOURS = {
    Verdict.HOLDS: "green",
    Verdict.CONDITIONS: "yellow",
    Verdict.REFUTED: "red",
    Verdict.INCONCLUSIVE: "magenta",
}


@dataclass(frozen=True)
class Row:
    """A claim and its evidence from one run, check by check; None for what that run did not
    measure.

    A run may measure part of a claim (one target of several, say). `run` is empty while there is
    none.
    """

    claim: Claim
    measured: tuple[Measured | None, ...]
    run: str = ""

    @property
    def verdicts(self) -> list[Verdict | None]:
        return [
            m and judge(c.criterion, m)
            for c, m in zip(self.claim.checks, self.measured, strict=True)
        ]

    @property
    def verdict(self) -> Verdict | None:
        known = [verdict for verdict in self.verdicts if verdict]
        return combine(known) if known else None

    @property
    def complete(self) -> bool:
        return None not in self.measured

    @property
    def surprises(self) -> list[tuple[Check, Measured | None]]:
        """The checks that came out otherwise than declared: the same mix for another reason is a
        changed result."""
        return [
            pair
            for pair, v in zip(self._pairs, self.verdicts, strict=True)
            if v and v != pair[0].expected
        ]

    @property
    def contradicted(self) -> bool:
        """Whether a check was decided, and otherwise than declared."""
        return any(
            judge(check.criterion, m) != Verdict.INCONCLUSIVE for check, m in self.surprises if m
        )

    @property
    def deciding(self) -> tuple[Check, Measured | None]:
        """The check to show in one line: the first surprise, else the first refuted, the first
        open, the first."""

        def those(verdict: Verdict) -> list[tuple[Check, Measured | None]]:
            return [
                pair for pair, v in zip(self._pairs, self.verdicts, strict=True) if v == verdict
            ]

        return (
            self.surprises + those(Verdict.REFUTED) + those(Verdict.INCONCLUSIVE) + self._pairs
        )[0]

    @property
    def _pairs(self) -> list[tuple[Check, Measured | None]]:
        return list(zip(self.claim.checks, self.measured, strict=True))

    def as_json(self) -> dict[str, Any]:
        check, measured = self.deciding
        return {
            "id": self.claim.id,
            "statement": self.claim.statement,
            "source": self.claim.source,
            "predicted": predicted(check),
            "measured": measured.value if measured else None,
            "low": measured.low if measured else None,
            "high": measured.high if measured else None,
            "criterion": str(check.criterion),
            "verdict": self.verdict,
            "expected": self.claim.expected,
            "run": self.run or None,
        }


def predicted(check: Check) -> str:
    """The prediction with the condition or quantity that it is for, so that it can stand alone."""
    return f"{check.predicted} ({check.condition})" if check.condition else check.predicted


def rows_of(claims: Iterable[Claim], run: Run | None) -> list[Row]:
    """The claims of one family with the evidence of a run of its proxy."""
    if run is None:
        return [Row(claim, (None,) * len(claim.checks)) for claim in claims]
    evidence = run.result["measured"]
    return [
        Row(claim, tuple(m and Measured(*m) for m in evidence[claim.id]), run.key[:12])
        for claim in claims
    ]


def as_text(rows: Iterable[Row]) -> str:
    """The ledger as JSON: what `loralab claims --json` prints and ledger.json holds."""
    return json.dumps([row.as_json() for row in rows], indent=1)


def as_markdown(records: Iterable[dict[str, Any]]) -> str:
    """The README's table, from what ledger.json holds."""
    head = ("id", "claim", "predicted", "measured", "verdict")
    lines = [head, ["---"] * len(head)]
    for r in records:
        measured = with_interval(Measured(r["measured"], r["low"], r["high"]))
        lines.append([r["id"], r["statement"], r["predicted"], measured, r["verdict"]])
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


def inserted(table: str, page: str) -> str:
    """The page with this table between its markers, whatever stood there."""
    head, opened, rest = page.partition(MARKERS[0])
    _, closed, tail = rest.partition(MARKERS[1])
    if not (opened and closed):
        raise ValueError(
            f"the page has no place for the ledger, which is between {MARKERS[0].strip()} and "
            f"{MARKERS[1]}"
        )
    return head + opened + table + closed + tail


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
        "predicted": {"ratio": 1},
        "measured": {"ratio": 1},
        "criterion": {"ratio": 1},
        "verdict": {"no_wrap": False},
    }.items():
        table.add_column(name, **options)
    for row in rows:
        several = len(row.claim.checks) > 1
        if several:
            table.add_row(
                row.claim.id, escape(row.claim.statement), "", "", "", _coloured(row.verdict)
            )
        for check, measured, verdict in zip(
            row.claim.checks, row.measured, row.verdicts, strict=True
        ):
            first = ("", f"- {check.condition}") if several else (row.claim.id, row.claim.statement)
            texts = (*first, check.predicted, with_interval(measured), str(check.criterion))
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


def show(table: Table) -> None:
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
