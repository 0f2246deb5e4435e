"""LEDGER.md: every check of every claim as a page for people."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from loralab.code import ROOT
from loralab.conditions import shared
from loralab.ledger import with_interval
from loralab.recorded import Record, rows_of
from loralab.rows import Entry, Row, totals

if TYPE_CHECKING:
    from loralab.proxy import Proxy

PAGE = ROOT / "LEDGER.md"
HEAD = (
    "check",
    "source's claim",
    "our prediction",
    "measured",
    "supported if",
    "outcome",
    "notes",
)
INTRODUCTION = """Written by `loralab ledger`; do not edit. Every claim stands here with its verdict
and all its checks. `loralab claims E1` prints one claim with its equation, test and trial, and
[docs/evidence.md](docs/evidence.md) says how a verdict comes about.

"Supported if" is the source's own sentence as an interval; a line with "our margin" is a bar of
this project, which does not decide the claim. "Look 2" is a check that had been measured once
before, and is judged at 97.5 % (look 3 at 98.75 %, and so on); "exploratory" was not registered
before it was measured. "Prediction excluded" is a check whose interval excludes what our theory
predicts. A claim says its conditions in brackets; those that several claims of a family share stand
once, at its head, and the claim names their number.
"""


def page(families: Iterable["Proxy"], records: Mapping[str, Record | None]) -> str:
    """A section a family."""
    families = list(families)
    rows = {proxy.stem: rows_of(proxy, records[proxy.stem]) for proxy in families}
    parts = ["# Ledger\n\n" + INTRODUCTION, totals_text(list(chain.from_iterable(rows.values())))]
    for proxy in families:
        record = records[proxy.stem]
        made = "Not measured yet."
        if record:
            sizes = sorted({about["size"] for about in record["runs"].values()})
            commits = sorted({line["commit"] for line in record["checks"]})
            made = f"Measured at commit {', '.join(commits)} ({' and '.join(sizes)} size)."
        head = f"## {proxy.stem}\n\n{proxy.summary} {made}\n\n"
        parts.append(head + _claims(proxy.stem, rows[proxy.stem]))
    return "\n".join(parts)


def totals_text(rows: Sequence[Row]) -> str:
    """The totals as a list."""
    names = {"verdict": "verdicts", "kind": "kinds", "scope": "scopes", "checks": "checks"}
    lines = [
        f"- {names[name]}: " + ", ".join(f"{count} {what}" for what, count in counts.most_common())
        for name, counts in totals(rows).items()
    ]
    checks = sum(len(row.evidence) for row in rows)
    return f"{len(rows)} claims with {checks} checks:\n\n" + "\n".join(lines) + "\n"


def _claims(stem: str, rows: Sequence[Row]) -> str:
    """The claims of a family, below the conditions that several of them share."""
    conditions = shared({row.claim.id: row.claim.assumptions for row in rows})
    lines = [f"{i}. {text}\n" for i, text in enumerate(conditions.head, 1)]
    head = f"Conditions that several claims share:\n\n{''.join(lines)}\n" if lines else ""
    called = f"[condition {{}}](#{stem})"
    return head + "\n".join(_claim(row, conditions.brief(row.claim.id, called)) for row in rows)


def _claim(row: Row, conditions: str) -> str:
    claim = row.claim
    source = "derived here" if claim.source == "derived" else f"arXiv:{claim.source}"
    about = [source, claim.where, str(claim.kind), str(claim.scope), conditions]
    head = f"### {claim.id}: {row.verdict or 'not measured'}\n\n{claim.statement} "
    head += f"({'; '.join(filter(None, about))})\n"
    if claim.untestable:
        return f"{head}\nNot testable here: {claim.untestable}\n"
    if claim.separates and row.split:
        head += f"\n{row.tally}; what separates them: {claim.separates}\n"
    lines = [HEAD, ["---"] * len(HEAD), *map(cells, row.evidence)]
    return head + "\n" + "".join("| " + " | ".join(map(_escaped, line)) + " |\n" for line in lines)


def cells(entry: Entry) -> tuple[str, ...]:
    """A line of a table of checks."""
    check = entry.check
    return (
        check.condition or check.key,
        check.claimed,
        "" if check.predicted is None else str(check.predicted),
        with_interval(entry.measured),
        str(check.criterion),
        str(entry.outcome or "not measured"),
        "; ".join(entry.notes),
    )


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")
