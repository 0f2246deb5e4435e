"""Both suites at a toy size: every row runs, and none is said to be measured."""

import json
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from benchmarks import growth
from benchmarks.__main__ import Config, main
from benchmarks.harness.rows import Row, Setting, Verdict, run
from benchmarks.suites import SUITES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks"
TOY = Setting(pairs=1, toy=True)
# what has no toy size, takes new processes, or is run once for the many sizes of a GPU
# (what is compiled takes seconds for each model, so the graphs of one variant stand for it)
LEFT_OUT = (
    *(f"graphs of a compiled model: {name}" for name in ("P", "o", "d", "pissa")),
    "compiled step",
    ", compiled",
    "advise",
    "start-up",
    "peak of initialization",
    "8B, 8192",
    "1B, ",
    "SmolLM2, ",
    "r = 64",
)


def rows_of(suite):
    every = SUITES[suite]
    return [row for row in every if not any(part in row.name for part in LEFT_OUT)]


@pytest.mark.parametrize("suite", SUITES)
def test_every_row_runs_at_a_toy_size(suite):
    results = run(rows_of(suite), TOY, lambda _: None)
    failed = [f"{r.row.name}: {r.reason}" for r in results if r.verdict is Verdict.FAILED]
    assert not failed
    assert {r.verdict for r in results} == {Verdict.NOT_MEASURED}


@pytest.mark.parametrize("suite", SUITES)
def test_a_row_is_known_by_its_name(suite):
    names = Counter(row.name for row in SUITES[suite])
    assert names.most_common(1)[0][1] == 1


def test_every_subject_is_in_a_suite():
    rows = [row for suite in SUITES.values() for row in suite]
    held = {Path(sys.modules[module_of(row.how)].__file__ or "").name for row in rows}
    assert held == {file.name for file in FOLDER.glob("*.py") if "\nROWS" in file.read_text()}


def module_of(how):
    """Where the innermost function of partial applications is."""
    while isinstance(how, partial):
        how = how.args[0] if how.args and callable(how.args[0]) else how.func
    return how.__module__


def test_the_slope_of_a_power_is_its_exponent():
    sizes = [2, 4, 8, 16]
    value, error = growth.slope(sizes, [3.0 * size**1.5 for size in sizes])
    # four logarithms of exact powers of 2, each rounded to eps
    assert abs(value - 1.5) <= 1e-14
    assert error <= 1e-14


@pytest.mark.parametrize("compare", ["peft", "none"])
def test_the_command_writes_what_it_measured(compare, tmp_path):
    rows = ("operator calls", "layer at 16 tokens")
    assert main(Config(rows=rows, compare=compare, toy=True, out=tmp_path)) == 0
    data = json.loads((tmp_path / "cpu" / "results.json").read_text())
    assert {row["verdict"] for row in data["rows"]} == {"not_measured"}
    assert any("PEFT" in row["name"] for row in data["rows"]) == (compare == "peft")
    keys = {"processor", "flags", "versions", "threads", "load_before", "load_after"}
    assert keys <= data["run"].keys()
    assert data["run"]["threads"] == 1
    assert (tmp_path / "cpu" / "results.png").exists()


def test_a_failed_row_is_an_exit_status(tmp_path, monkeypatch):
    broken = Row("broken", "ours", "floor", lambda *_: {})
    monkeypatch.setitem(SUITES, "cpu", (broken,))
    assert main(Config(toy=True, out=tmp_path)) == 1


def test_a_name_without_a_row_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no row of this suite has 'stepp' in its name"):
        main(Config(rows=("step", "stepp"), toy=True, out=tmp_path))
    with pytest.raises(ValueError, match="--pairs must be at least 1, got 0"):
        Config(pairs=0)


def test_help_needs_no_torch():
    code = "import sys, benchmarks.__main__; print({'torch', 'numpy', 'peft'} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
