"""The ledger: rows from evidence, and the three shapes in which they are shown."""

import io
import json

import pytest
from rich.console import Console

from loralab.claims import Check, Claim, Measured, Verdict, Within
from loralab.ledger import Row, as_markdown, as_table, as_text, cell, inserted, rows_of
from loralab.store import Run

KEYS = [
    "id",
    "statement",
    "source",
    "predicted",
    "measured",
    "low",
    "high",
    "criterion",
    "verdict",
    "expected",
    "run",
]
ONE = Claim("X1", "One | holds.", "derived", (Check("0", Within(high=1)),))
TWO = Claim(
    "X2",
    "Two hold where it is wide.",
    "0000.00000",
    (Check("0", Within(high=1), "wide"), Check("0", Within(high=1), "narrow", Verdict.REFUTED)),
)
SMALL, LARGE, UNSURE = Measured(0.5, 0.25, 0.75), Measured(5, 4, 6), Measured(1, 0, 2)


def run(evidence: dict) -> Run:
    return Run(
        "0123456789abcdef", "x", "claims", {}, "code", {}, "now", 1.0, {"measured": evidence}
    )


def test_rows_carry_the_evidence_of_a_run():
    rows = rows_of([ONE, TWO], run({"X1": [[0.5, 0.25, 0.75]], "X2": [None, [5, 4, 6]]}))
    assert rows == [Row(ONE, (SMALL,), "0123456789ab"), Row(TWO, (None, LARGE), "0123456789ab")]
    assert rows_of([TWO], None) == [Row(TWO, (None, None))]


@pytest.mark.parametrize(
    ("measured", "verdict", "complete", "surprises", "contradicted"),
    [
        ((SMALL, LARGE), Verdict.CONDITIONS, True, 0, False),
        ((LARGE, SMALL), Verdict.CONDITIONS, True, 2, True),  # the same mixture for another reason
        ((SMALL, UNSURE), Verdict.INCONCLUSIVE, True, 1, False),
        ((LARGE, UNSURE), Verdict.INCONCLUSIVE, True, 2, True),
        ((SMALL, None), Verdict.HOLDS, False, 0, False),
        ((None, None), None, False, 0, False),
    ],
)
def test_a_row_knows_its_verdict_and_what_is_not_as_declared(
    measured, verdict, complete, surprises, contradicted
):
    row = Row(TWO, measured)
    assert (row.verdict, row.complete, len(row.surprises)) == (verdict, complete, surprises)
    assert row.contradicted == contradicted


def test_one_line_shows_a_surprise_or_else_what_limits_the_claim():
    assert Row(TWO, (SMALL, LARGE)).deciding == (TWO.checks[1], LARGE)
    assert Row(TWO, (SMALL, UNSURE)).deciding == (TWO.checks[1], UNSURE)
    twins = Claim("X3", "Twins.", "derived", (Check("0", Within(high=1)),) * 2)
    assert Row(twins, (SMALL, LARGE)).deciding == (twins.checks[1], LARGE)
    assert Row(twins, (SMALL, SMALL)).deciding == (twins.checks[0], SMALL)
    unsure = Claim(
        "X4",
        "Open.",
        "derived",
        (ONE.checks[0], Check("0", Within(high=1), "", Verdict.INCONCLUSIVE)),
    )
    assert Row(unsure, (SMALL, UNSURE)).deciding == (unsure.checks[1], UNSURE)


def test_json_has_the_promised_keys():
    records = json.loads(as_text([Row(ONE, (SMALL,), "0123"), Row(TWO, (None, None))]))
    assert [list(record) for record in records] == [KEYS, KEYS]
    assert records[0] | {"statement": ""} == {
        "id": "X1",
        "statement": "",
        "source": "derived",
        "predicted": "0",
        "measured": 0.5,
        "low": 0.25,
        "high": 0.75,
        "criterion": "<= 1",
        "verdict": "holds",
        "expected": "holds",
        "run": "0123",
    }
    assert [records[1][key] for key in ("measured", "low", "high", "verdict", "run")] == [None] * 5
    assert records[1]["expected"] == "holds under conditions"


def test_the_page_gets_a_table_of_json_alone():
    table = as_markdown(json.loads(as_text([Row(ONE, (SMALL,), "0123"), Row(TWO, (LARGE, LARGE))])))
    assert table == (
        "| id | claim | predicted | measured | verdict |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| X1 | One \\| holds. | 0 | 0.5 [0.25, 0.75] | holds |\n"
        "| X2 | Two hold where it is wide. | 0 (wide) | 5 [4, 6] | refuted |\n"
    )


def test_a_table_takes_the_place_of_the_last_one():
    page = "before\n<!-- ledger -->\nold\n<!-- /ledger -->\nafter\n"
    assert inserted("new\n", page) == page.replace("old", "new")
    assert inserted("new\n", inserted("new\n", page)) == inserted("new\n", page)


@pytest.mark.parametrize("page", ["", "<!-- ledger -->\nold", "old\n<!-- /ledger -->"])
def test_a_page_without_a_place_for_it_is_refused(page):
    with pytest.raises(ValueError, match="no place for the ledger"):
        inserted("new\n", page)


def test_people_see_every_check_of_every_claim():
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(as_table([Row(ONE, (SMALL,)), Row(TWO, (UNSURE, None))]))
    text = console.export_text()
    for words in (
        "One | holds.",
        "0.5 [0.25, 0.75]",
        "- narrow",
        "1 [0, 2]",
        "inconclusive",
        "not measured",
    ):
        assert words in text


def test_brackets_in_a_claim_are_words_not_colours():
    claim = Claim(
        "X4", "Start [bold] at [red]A.", "derived", (Check("[0]", Within(high=1), "in [a, b]"),) * 2
    )
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(as_table([Row(claim, (SMALL, SMALL))]))
    text = console.export_text()
    for words in ("Start [bold] at [red]A.", "- in [a, b]", "[0]"):
        assert words in text


def test_a_cell_is_short():
    assert [cell(value) for value in (None, 1234.5678, 7, "word")] == ["-", "1.23e+03", "7", "word"]
