"""The table, the JSON file and the plot of a run."""

import json
import math
from typing import Any

import pytest

from benchmarks.harness import plot, report
from benchmarks.harness.intervals import Estimate
from benchmarks.harness.rows import Result, Row, Verdict

SCHEMA = {
    "name": str,
    "subject": str,
    "above": str,
    "below": (str, type(None)),
    "unit": str,
    "exact": bool,
    "sign": (str, type(None)),
    "aim": (int, float, type(None)),
    "verdict": str,
    "reason": str,
    "median": (float, type(None)),
    "low": (float, type(None)),
    "high": (float, type(None)),
    "pairs": int,
    "medians": dict,
}
HOW = lambda *_: {}
RATIO = Row("step", "ours", "floor", HOW, 1.1)
COUNT = Row("calls", "ours", None, HOW, 4200, unit="calls", exact=True)
RESULTS = [
    Result(
        RATIO,
        Verdict.OPEN,
        "",
        Estimate(1.05, 0.99, 1.2, 9),
        {"ours": 0.0021, "floor": 0.002},
    ),
    Result(COUNT, Verdict.MISSED, "", Estimate(6229.0), {"ours": 6229.0}),
    Result(Row("eva", "ours", "floor", HOW), Verdict.NOT_MEASURED, "no model"),
]


def test_the_file_has_the_schema_and_the_verdicts(tmp_path):
    report.write(tmp_path / "new" / "results.json", RESULTS, {"load_before": [0.1]})
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["results.json"]
    data = json.loads((tmp_path / "new" / "results.json").read_text())
    assert data["run"] == {"load_before": [0.1]}
    for row in data["rows"]:
        assert row.keys() == SCHEMA.keys()
        assert all(isinstance(row[key], kind) for key, kind in SCHEMA.items())
    assert [row["verdict"] for row in data["rows"]] == ["open", "missed", "not_measured"]
    assert data["rows"][0]["median"] == 1.05
    assert data["rows"][2]["reason"] == "no model"


def test_a_number_that_json_lacks_is_an_error(tmp_path):
    broken = Result(COUNT, Verdict.OPEN, "", Estimate(math.nan), {})
    with pytest.raises(ValueError, match="JSON"):
        report.write(tmp_path / "results.json", [broken], {})


def test_the_table_has_ratios_first_and_both_medians_behind():
    name, median, interval, aim, verdict, medians, pairs = report.cells(RESULTS[0])
    assert (name, median, interval, aim) == ("step: ours / floor", "1.05", "0.99 .. 1.2", "<= 1.1")
    assert "open" in verdict
    assert (medians, pairs) == ("2.1 / 2 ms", "9")
    assert report.cells(RESULTS[1])[1:3] == ("6229", "exact")
    assert report.cells(RESULTS[2])[4] == "not measured: no model"
    assert report.table(RESULTS).row_count == len(RESULTS)


def test_the_plot_has_a_bar_for_every_measured_ratio(tmp_path):
    figure = plot.draw(RESULTS, "a machine")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["step: ours / floor"]
    bar: Any = axes.patches[0]
    assert len(axes.patches) == 1
    assert math.isclose(bar.get_x() + bar.get_width(), 1.05)
    plot.write(tmp_path / "results.png", RESULTS, "a machine")
    assert (tmp_path / "results.png").read_bytes().startswith(b"\x89PNG")
