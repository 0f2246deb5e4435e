"""What a run leaves: a table on the terminal, a JSON file, a plot."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.harness.rows import Result, Verdict

STYLES = {
    Verdict.MET: "green",
    Verdict.MISSED: "bold red",
    Verdict.FAILED: "bold red",
    Verdict.OPEN: "yellow",
}
UNITS = {"processor time": 1e3, "GPU time": 1e3}
"""those that are measured in seconds and shown in milliseconds"""


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def aim(result: Result) -> str:
    row = result.row
    return "" if row.aim is None else f"{row.sign} {row.aim:g}"


def cells(result: Result) -> tuple[str, ...]:
    """The name, the median, its interval, the aim, the verdict, both medians, the pairs."""
    row, found = result.row, result.estimate
    style = STYLES.get(result.verdict)
    verdict = f"[{style}]{result.verdict.value}[/]" if style else result.verdict.value
    if result.verdict in (Verdict.NOT_MEASURED, Verdict.FAILED):
        verdict += f": {result.reason}"
    if found is None:
        return row.name, "", "", aim(result), verdict, "", ""
    interval = "" if found.low is None else f"{number(found.low)} .. {number(found.high)}"
    interval = "exact" if row.exact else interval
    scale = UNITS.get(row.unit, 1)
    unit = "ms" if row.unit in UNITS else row.unit
    both = " / ".join(number(scale * value) for value in result.medians.values())
    medians = f"{both} {unit}" if row.below else unit
    note = found.note or ("" if row.exact else str(found.count))
    return row.name, number(found.value), interval, aim(result), verdict, medians, note


def table(results: Sequence[Result]) -> Table:
    """Ratios first; the quantities they are made of stand behind them."""
    shown = Table("what", "median", "95 % interval", "aim", "verdict", "medians", "pairs")
    for result in results:
        shown.add_row(*cells(result))
    return shown


def as_data(results: Sequence[Result], about: dict[str, Any]) -> dict[str, Any]:
    """What the JSON file holds."""
    return {"run": about, "rows": [_row_as_data(result) for result in results]}


def _row_as_data(result: Result) -> dict[str, Any]:
    row, found = result.row, result.estimate
    return {
        "name": row.name,
        "subject": row.subject,
        "above": row.above,
        "below": row.below,
        "unit": row.unit,
        "exact": row.exact,
        "sign": row.sign if row.aim is not None else None,
        "aim": row.aim,
        "verdict": result.verdict.name.lower(),
        "reason": result.reason,
        "median": None if found is None else found.value,
        "low": None if found is None else found.low,
        "high": None if found is None else found.high,
        "pairs": 0 if found is None else found.count,
        "medians": dict(result.medians),
    }


def write(file: Path, results: Sequence[Result], about: dict[str, Any]) -> None:
    """Whole or not at all, since a run is written after every group of rows."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    text = json.dumps(as_data(results, about), indent=1, allow_nan=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(file)
