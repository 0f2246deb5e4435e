"""Recorded evidence: the committed copy of what the run store held, so that a clone has it at once.

evidence/ledger/<family>.json holds, for each check of each claim by its key, the value and interval
that a run at the default size measured, with the run's key, commit and machine; LEDGER.md is the
table of all of them. `loralab ledger` alone writes both.
"""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from loralab.code import ROOT
from loralab.ledger import Row, rows_of, with_interval
from loralab.store import Run, Store

if TYPE_CHECKING:
    from loralab.proxy import Proxy

FOLDER = ROOT / "evidence" / "ledger"
PAGE = ROOT / "LEDGER.md"
HEAD = (
    "id",
    "claim",
    "what is measured",
    "source's claim",
    "our prediction",
    "measured",
    "holds if",
    "verdict",
)
INTRODUCTION = """Written by `loralab ledger`; do not edit. Each line shows the check that decides
the claim; `loralab claims E1` prints every check of one claim, with its equation, test and trial.
"Source's claim" is what the source says of the measured quantity, "our prediction" what this
project's theory says, and "holds if" the criterion. A measured value stands with its interval.
"""


def record_of(run: Run) -> dict[str, Any]:
    """What is kept of a run: its evidence by claim and key, and where it was made."""
    return {
        "run": run.key,
        "finished": run.finished,
        "provenance": run.provenance,
        "config": run.config,
        "measured": run.result["measured"],
    }


def read(family: str) -> dict[str, Any] | None:
    """The record of a family, None where there is none."""
    file = FOLDER / f"{family}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def latest(proxy: "Proxy", store: Store) -> tuple[list[Row], str]:
    """The rows of a family and where they are from: the store's run of the present code, else the
    record."""
    if run := proxy.latest(store):
        return proxy.rows(run), "run store"
    if record := read(proxy.stem):
        commit = record["provenance"]["commit"]
        return recorded_rows(proxy, record), f"recorded at commit {commit}"
    return proxy.rows(None), "not measured"


def recorded_rows(proxy: "Proxy", record: Mapping[str, Any]) -> list[Row]:
    return rows_of(proxy.claims, record["measured"], record["run"][:12])


def write(proxies: Iterable["Proxy"], store: Store) -> list[str]:
    """Write the record of every family that the store holds at its default size, keep the others,
    and write LEDGER.md.

    Returns: the families whose record was kept.
    Raises: FileNotFoundError, before anything is written, for a family with neither.
    """
    families, runs = list(proxies), {}
    for proxy in families:
        run = proxy.stored(proxy.Config(), store)
        runs[proxy.stem] = run if all(row.complete for row in proxy.rows(run)) else None
    records = {stem: record_of(run) if run else read(stem) for stem, run in runs.items()}
    if missing := [stem for stem, record in records.items() if record is None]:
        raise FileNotFoundError(
            f"the run store holds no run at the default size of {', '.join(missing)}, and none is "
            "recorded; `make reproduce` makes them"
        )
    FOLDER.mkdir(parents=True, exist_ok=True)
    for stem, record in records.items():
        text = json.dumps(record, indent=1) + "\n"
        (FOLDER / f"{stem}.json").write_text(text, encoding="utf-8")
    PAGE.write_text(page(families, records), encoding="utf-8")
    return [stem for stem, run in runs.items() if run is None]


def page(families: Iterable["Proxy"], records: Mapping[str, Any]) -> str:
    """LEDGER.md: a section a family, a line a claim, which shows the check that decides it."""
    parts = ["# Ledger\n\n" + INTRODUCTION]
    for proxy in families:
        record = records[proxy.stem]
        made = f"Measured at commit {record['provenance']['commit']} ({record['finished'][:10]})."
        lines = [HEAD, ["---"] * len(HEAD)]
        lines += [_line(row) for row in recorded_rows(proxy, record)]
        table = "".join("| " + " | ".join(map(_escaped, line)) + " |\n" for line in lines)
        parts.append(f"## {proxy.stem}\n\n{proxy.summary} {made}\n\n{table}")
    return "\n".join(parts)


def _line(row: Row) -> tuple[str, ...]:
    check, measured, _ = row.deciding
    return (
        row.claim.id,
        row.claim.statement,
        check.condition,
        check.claimed,
        check.predicted,
        with_interval(measured),
        str(check.criterion),
        str(row.verdict or "not measured"),
    )


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")
