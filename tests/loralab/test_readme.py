"""What README.md says of the record is the record's, and its figure was drawn from it."""

from dataclasses import asdict
from typing import Any

import pytest

from loralab import headline, pictured, readme, recorded
from loralab.claims import Check, Claim, Kind, Measured, Scope, Within
from loralab.families import proxies
from loralab.rows import row_of
from loralab.store import Run
from scaling.studies import tables
from scaling.studies.language import Config
from scaling.studies.trials.methods import METHODS
from tests.support.worlds import language as made_up

FAMILIES = list(proxies())
ROWS = {proxy.stem: recorded.rows_of(proxy, recorded.read(proxy.stem)) for proxy in FAMILIES}
LIMIT = 8192  # bytes of README.md
CLAIM = Claim(
    "X1", "It is so.", "derived", (Check("one", Within(high=1)),), kind=Kind.LAW, scope=Scope.EXACT
)
SMALL = {"x": [row_of(CLAIM, {"one": Measured(0.5, 0.25, 0.75)})]}


def language(data: dict[str, Any]) -> Run:
    config, result = asdict(Config()), {"data": data, "tables": {}}
    return Run("", "language", "claims", config, "", {}, "", 0.0, result)


@pytest.fixture(scope="module")
def measured() -> Run:
    return language(tables.language(made_up.world()))


def test_the_page_has_what_is_recorded():
    text = readme.FILE.read_text(encoding="utf-8")
    assert readme.written(text, FAMILIES, ROWS, pictured.read("language")) == text, "`make ledger`"
    for name in ("totals", "families", "initializations"):
        assert f"<!-- {name} -->" in text


def test_the_page_is_short_also_when_the_language_model_is_measured(measured):
    text = readme.FILE.read_text(encoding="utf-8")
    assert len(readme.written(text, FAMILIES, ROWS, measured).encode()) <= LIMIT


def test_a_number_and_a_verdict_are_those_of_their_check_and_claim():
    text = "It is <!-- X1: one -->?<!-- / --> (X1: refuted), not (see X1).\n"
    filled = "It is <!-- X1: one -->0.5 [0.25, 0.75]<!-- / --> (X1: holds), not (see X1).\n"
    assert readme.written(text, [], SMALL, None) == filled
    assert readme.written(filled, [], SMALL, None) == filled


@pytest.mark.parametrize(
    ("text", "named"),
    [("(X7: holds)", "X7, which is no claim"), ("<!-- X1: two -->-<!-- / -->", "X1: two, which")],
)
def test_a_mark_of_nothing_is_refused(text, named):
    with pytest.raises(ValueError, match=named):
        readme.written(text, [], SMALL, None)


def test_the_table_counts_every_claim_once():
    lines = readme.table(FAMILIES, ROWS).splitlines()[2:]
    assert len(lines) == len(FAMILIES)
    for proxy, line in zip(FAMILIES, lines, strict=True):
        counts = [int(cell) for cell in line.split("|")[3:-1] if cell.strip()]
        assert sum(counts) == len(proxy.claims), proxy.stem
    [first, *others] = [line for line in lines if "2412.10362" in line]
    assert "[OP-LoRA](https://arxiv.org/abs/2412.10362)" in first, "without what follows a colon"
    assert len(others) == 2
    assert all("| arXiv:2412.10362 |" in line for line in others), "a paper's title stands once"


def test_nothing_is_said_of_initializations_before_they_are_measured(measured):
    assert readme.initializations(None) == ""
    assert readme.initializations(language({})) == ""
    assert len(readme.initializations(measured).splitlines()) <= 10


def test_initializations_are_grouped_by_their_intervals():
    ends = {
        "EVA": [1.2, 1.1, 1.3],
        "PiSSA": [1.3, 1.2, 1.4],
        "MiLoRA": [1.0, 0.99, 1.01],
        "OLoRA": [0.8, 0.7, 0.9],
        "CorDA": [1.0, 0.9, 1.1],
        "orthogonal": [2.0, 1.9, 2.1],
    }
    data = {name: {"best": 1e-3, "over LoRA": each} for name, each in ends.items()}
    data["OLoRA"]["best"] = 1e-4
    data["LoRA"] = {"best": 5e-3, "over LoRA": None}
    said = readme.initializations(language(data)).splitlines()
    assert said[-5:] == [
        "- More than LoRA's: PiSSA 1.30 [1.20, 1.40], EVA 1.20 [1.10, 1.30].",
        "- The same within 2%: MiLoRA 1.00 [0.99, 1.01].",
        "- Less: OLoRA 0.80 [0.70, 0.90].",
        "- Undecided: CorDA 1.00 [0.90, 1.10].",
        "- Best learning rates: 0.0001 to 0.005, LoRA's 0.005.",
    ]
    assert "40 steps on scientific docstrings, 6 seeds" in " ".join(said)


def test_the_initializations_are_methods_of_the_comparison():
    assert {*readme.INITIALIZATIONS} <= {*METHODS}


def test_the_figure_is_of_the_record():
    record, run = recorded.read(headline.FAMILY), pictured.read(headline.FAMILY)
    assert record is not None
    assert run is not None
    shown = headline.data(record, run)
    assert [line["method"] for line in shown["lines"]] == list(headline.METHODS)
    assert all(headline.RATE in line["rates"] for line in shown["lines"])
    condition = {(x["id"], x["key"]): x["condition"] for x in record["checks"]}[headline.FIXED]
    assert "both at the learning rate 1e-4" in condition
    assert headline.digest(shown) in headline.FILE.read_text(encoding="utf-8"), "`make ledger`"


def test_a_figure_is_drawn_only_where_its_data_are_others(tmp_path, monkeypatch):
    record, run = recorded.read(headline.FAMILY), pictured.read(headline.FAMILY)
    assert record is not None
    assert run is not None
    monkeypatch.setattr(headline, "FILE", tmp_path / "headline.svg")
    headline.draw(record, run)
    first = headline.FILE.stat().st_mtime_ns
    headline.draw(record, run)
    assert headline.FILE.stat().st_mtime_ns == first
    for line in record["checks"]:
        line["value"] += 1
    headline.draw(record, run)
    assert headline.FILE.stat().st_mtime_ns != first
