"""The ledger for people and for programs: every declared claim beside its evidence."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from loralab.claims import Measured, Outcome, Verdict
from loralab.rows import Entry, Row, totals

COLOURS = {
    Verdict.HOLDS: "green",
    Verdict.SEEN: "green",
    Verdict.CONDITIONS: "yellow",
    Verdict.SEEN_CONDITIONS: "yellow",
    Verdict.REFUTED: "red",
    Verdict.NOT_SEEN: "red",
    Verdict.INCONCLUSIVE: "magenta",
    Verdict.UNTESTABLE: "dim",
    Outcome.SUPPORTED: "green",
    Outcome.CONTRADICTED: "red",
    Outcome.UNDECIDED: "magenta",
}


def as_json(row: Row) -> dict[str, Any]:
    """The claim and every check, as `loralab claims --json` has them."""
    from loralab.recorded import as_declared

    claim = row.claim
    checks = [
        {
            "key": e.check.key,
            **as_declared(claim, e.check),
            "value": e.measured and e.measured.value,
            "low": e.measured and e.measured.low,
            "high": e.measured and e.measured.high,
            "design": e.measured and e.measured.design,
            "unit": e.measured and e.measured.unit,
            "draws": e.measured and e.measured.draws,
            "level": e.measured and e.measured.level,
            "p": e.p,
            "holm": e.holm,
            "outcome": e.outcome,
            "uncorrected": e.uncorrected,
            "excludes_prediction": e.excludes_prediction,
            "look": e.standing.look,
            "registered": e.standing.registered,
            "run": e.run or None,
        }
        for e in row.evidence
    ]
    links = ("id", "statement", "source", "where", "kind", "scope", "covers", "assumptions")
    chain = ("equation", "test", "trial", "separates", "untestable")
    return {
        **{name: getattr(claim, name) for name in links + chain},
        "verdict": row.verdict,
        "checks": checks,
    }


def as_text(rows: Iterable[Row]) -> str:
    """The ledger as JSON: what `loralab claims --json` prints."""
    return json.dumps([as_json(row) for row in rows], indent=1)


MOST = 9  # digits of a number


def number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}g}"


def with_interval(measured: Measured | None) -> str:
    if measured is None:
        return "-"
    value, low, high = measured.value, measured.low, measured.high
    if low == high:
        return number(value)
    # three digits, and more where the ends are alike in them
    digits = next((d for d in range(3, MOST) if f"{low:.{d}g}" != f"{high:.{d}g}"), MOST)
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"


def with_design(measured: Measured | None) -> str:
    """How the interval came about: its level, what was drawn, how often, and the design; nothing
    of a value without an interval."""
    if measured is None or not measured.design:
        return ""
    drawn = f"n = {measured.draws} ({measured.unit})"
    level = "" if measured.level == 1 else f"{100 * measured.level:g} %, "
    return f"{level}{drawn}, {measured.design}"


def as_lines(rows: Iterable[Row]) -> Table:
    """A line for each claim: its verdict and its sentence."""
    table = Table(pad_edge=False)
    table.add_column("id", no_wrap=True)
    table.add_column("verdict", min_width=12, max_width=24)
    table.add_column("claim", ratio=1, overflow="fold")
    for row in rows:
        table.add_row(row.claim.id, _coloured(row.verdict), escape(row.claim.statement))
    return table


COLUMNS: dict[str, dict[str, Any]] = {
    "source's claim": {"ratio": 1},
    "our prediction": {"ratio": 1},
    "measured": {"ratio": 1},
    "supported if": {"ratio": 1},
    "verdict": {"min_width": 12},
}


def as_table(rows: Iterable[Row]) -> Table:
    """Every check of every claim below the claim's sentence and verdict."""
    table = Table(pad_edge=False)
    table.add_column("id", no_wrap=True)
    table.add_column("claim", ratio=3, overflow="fold")
    for name, options in COLUMNS.items():
        table.add_column(name, **options)
    for row in rows:
        empty = [""] * (len(COLUMNS) - 1)
        table.add_row(row.claim.id, escape(row.claim.statement), *empty, _coloured(row.verdict))
        if row.claim.untestable:
            table.add_row("", escape(f"- {row.claim.untestable}"))
        for entry in row.evidence:
            what, *cells = _cells(entry)
            table.add_row("", f"- {what}", *cells)
    return table


def checks_table(row: Row) -> Table:
    """The checks of one claim, without the columns that they leave empty."""
    lines = [_cells(entry) for entry in row.evidence]
    columns = {"check": {"ratio": 3}, **COLUMNS}
    filled = [n for n, cells in enumerate(zip(*lines, strict=True)) if any(cells)]
    table = Table(pad_edge=False)
    for n in filled:
        name = list(columns)[n]
        table.add_column(name, overflow="fold", **columns[name])
    for cells in lines:
        table.add_row(*(cells[n] for n in filled))
    return table


def _cells(entry: Entry) -> list[str]:
    """A check in words, then what `COLUMNS` has of it."""
    check, measured, notes = entry.check, entry.measured, "; ".join(entry.notes)
    texts = (
        check.condition or check.key,
        check.claimed,
        "" if check.predicted is None else str(check.predicted),
        "\n".join(filter(None, (with_interval(measured), with_design(measured)))),
        str(check.criterion),
    )
    outcome = _coloured(entry.outcome) + (f"\n[dim]{escape(notes)}" if notes else "")
    return [*map(escape, texts), outcome]


def beside(rows: Sequence[Row], record: Iterable[Row]) -> Table:
    """Every check of these claims as it was measured now, beside the record.

    Args:
        rows: of one family, or some of them.
        record: the rows of the record of that family.
    """
    table = Table(pad_edge=False)
    for name, ratio in {"id": None, "check": 3, "supported if": 1, "recorded": 1, "now": 1}.items():
        table.add_column(name, ratio=ratio, overflow="fold")
    recorded = {(row.claim.id, x.check.key): x for row in record for x in row.evidence}
    for row in rows:
        table.add_row(row.claim.id, escape(row.claim.statement))
        for entry in row.evidence:
            check = entry.check
            shown = [
                "\n".join(
                    filter(None, (with_interval(x.measured), with_design(x.measured), x.outcome))
                )
                for x in (recorded[row.claim.id, check.key], entry)
            ]
            what = (check.condition or check.key, str(check.criterion))
            table.add_row("", *map(escape, (*what, *shown)))
    return table


def totals_table(rows: Iterable[Row]) -> Table:
    """How many claims have each verdict, kind and scope."""
    rows = list(rows)
    table = Table(
        title=f"{len(rows)} claim{'s' * (len(rows) != 1)}", title_justify="left", show_header=False
    )
    for name, counts in totals(rows).items():
        text = ", ".join(f"{count} {what}" for what, count in counts.most_common())
        table.add_row(name, text)
    return table


def cell(value: Any) -> str:
    """A table cell: three digits for a float, a dash for what is missing."""
    if value is None:
        return "-"
    return number(value) if isinstance(value, float) else str(value)


def records_table(title: str, records: list[dict[str, Any]]) -> Table:
    """A row for each record; where there is no room a cell takes more lines, and loses nothing."""
    table = Table(title=title, title_justify="left", pad_edge=False)
    for name in records[0]:
        table.add_column(name, overflow="fold")
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


def _coloured(verdict: Verdict | Outcome | None) -> str:
    return f"[{COLOURS[verdict]}]{verdict}[/]" if verdict else "[dim]not measured[/]"
