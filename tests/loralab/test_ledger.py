"""The ledger: rows from evidence, and the three shapes in which they are shown."""

import io
import json

import pytest
from rich.console import Console

from loralab.claims import Check, Claim, Measured, Verdict, Within
from loralab.ledger import (
    Row,
    as_table,
    as_text,
    cell,
    records_table,
    rows_of,
    text_of,
    with_interval,
)

KEYS = [
    "id",
    "statement",
    "source",
    "key",
    "condition",
    "claimed",
    "predicted",
    "measured",
    "low",
    "high",
    "criterion",
    "verdict",
    "expected",
    "run",
    "checks",
]
ONE = Claim("X1", "One | holds.", "derived", (Check("size", Within(high=1), predicted="0"),))
TWO = Claim(
    "X2",
    "Two hold where it is wide.",
    "0000.00000",
    (
        Check("wide", Within(high=1), "size, wide", claimed="0"),
        Check("narrow", Within(high=1), "size, narrow", "0", "5", Verdict.REFUTED),
    ),
)
SMALL, LARGE, UNSURE = Measured(0.5, 0.25, 0.75), Measured(5, 4, 6), Measured(1, 0, 2)


def row(claim: Claim, *measured: Measured | None, run: str = "") -> Row:
    """The claim with evidence for its checks, in their order."""
    return Row(claim, dict(zip(claim.keys, measured, strict=True)), run)


def test_evidence_is_bound_to_a_check_by_its_key():
    stored = {"X1": {"size": [0.5, 0.25, 0.75]}, "X2": {"narrow": [5, 4, 6], "wide": None}}
    rows = rows_of([ONE, TWO], stored, "0123456789ab")
    assert rows == [row(ONE, SMALL, run="0123456789ab"), row(TWO, None, LARGE, run="0123456789ab")]
    assert [check.key for check, measured, _ in rows[1].evidence if measured] == ["narrow"]
    assert rows_of([TWO], None) == [Row(TWO, {})]
    assert Row(TWO, {}).verdict is None


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
    found = row(TWO, *measured)
    assert (found.verdict, found.complete) == (verdict, complete)
    assert len(found.surprises) == surprises
    assert found.contradicted == contradicted


def test_one_line_shows_a_surprise_or_else_what_limits_the_claim():
    wide, narrow = TWO.checks
    assert row(TWO, SMALL, LARGE).deciding == (narrow, LARGE, Verdict.REFUTED)
    assert row(TWO, SMALL, UNSURE).deciding == (narrow, UNSURE, Verdict.INCONCLUSIVE)
    assert row(TWO, LARGE, LARGE).deciding == (wide, LARGE, Verdict.REFUTED)
    assert row(TWO, None, LARGE).deciding == (narrow, LARGE, Verdict.REFUTED)
    assert row(TWO, None, None).deciding == (wide, None, None)
    unsure = Check("more", Within(high=1), expected=Verdict.INCONCLUSIVE)
    open_claim = Claim("X4", "Open.", "derived", (*ONE.checks, unsure))
    assert row(open_claim, SMALL, UNSURE).deciding == (unsure, UNSURE, Verdict.INCONCLUSIVE)


@pytest.mark.parametrize("surprise", [SMALL, UNSURE])
def test_a_surprise_is_shown_before_a_refuted_check_that_was_declared(surprise):
    declared = [Check(key, Within(high=1), expected=Verdict.REFUTED) for key in ("old", "new")]
    mixed = Claim("X5", "It is refuted.", "derived", tuple(declared))
    assert row(mixed, LARGE, surprise).deciding[:2] == (declared[1], surprise)


def test_json_has_the_promised_keys():
    records = json.loads(as_text([row(ONE, SMALL, run="0123"), row(TWO, None, None)]))
    assert [list(record) for record in records] == [KEYS, KEYS]
    check = {
        "key": "size",
        "condition": "",
        "claimed": "",
        "predicted": "0",
        "measured": 0.5,
        "low": 0.25,
        "high": 0.75,
        "criterion": "<= 1",
        "verdict": "holds",
        "expected": "holds",
    }
    head = {"id": "X1", "statement": "One | holds.", "source": "derived", "run": "0123"}
    assert records[0] == {**head, **check, "checks": [check]}
    assert [records[1][key] for key in ("measured", "low", "high", "verdict", "run")] == [None] * 5
    assert records[1]["expected"] == "holds under conditions"
    assert [check["key"] for check in records[1]["checks"]] == ["wide", "narrow"]


def test_two_checks_of_one_key_are_refused():
    with pytest.raises(ValueError, match=r"claim X5 needs distinct keys|X5 need distinct keys"):
        Claim("X5", "Twins.", "derived", ONE.checks * 2)


def test_people_see_every_check_of_every_claim():
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(as_table([row(ONE, SMALL), row(TWO, UNSURE, None)]))
    text = console.export_text()
    for words in (
        "One | holds.",
        "0.5 [0.25, 0.75]",
        "- size, narrow",
        "1 [0, 2]",
        "inconclusive",
        "not measured",
    ):
        assert words in text


def words_of(text: str) -> list[list[str]]:
    """The words of each line that has some, without the table's rules."""
    lines = ["".join(c if c.isascii() else " " for c in line) for line in text.splitlines()]
    return [words for line in lines if (words := line.split())]


def test_records_are_a_titled_table_of_three_digits():
    records = [{"n": 3, "loss": 0.123456, "note": None}, {"n": 40, "loss": 1e-9, "note": "[b]"}]
    assert words_of(text_of(records_table("some runs", records))) == [
        ["some", "runs"],
        ["n", "loss", "note"],
        ["3", "0.123", "-"],
        ["40", "1e-09", "[b]"],
    ]


def test_tables_follow_each_other_and_are_as_wide_as_the_user_says(monkeypatch):
    tables = [records_table(title, [{"what": "word " * 30}]) for title in ("one", "two")]
    for width in (40, 200):
        monkeypatch.setenv("COLUMNS", f"{width}")
        text = text_of(*tables)
        assert text == text.rstrip("\n")
        assert [words[0] for words in words_of(text) if words[0] != "word"] == [
            "one",
            "what",
            "two",
            "what",
        ]
        assert width - 10 < max(map(len, text.splitlines())) <= width or width == 200
    monkeypatch.delenv("COLUMNS")
    assert "word " * 20 in text_of(*tables), "a sentence has room where nobody says"


def test_a_value_without_a_width_stands_alone():
    assert with_interval(None) == "-"
    assert with_interval(Measured(2, 2, 2)) == "2"
    assert with_interval(Measured(1.23456, 1, 2)) == "1.23 [1, 2]"


def test_brackets_in_a_claim_are_words_not_colours():
    claim = Claim(
        "X4",
        "Start [bold] at [red]A.",
        "derived",
        tuple(Check(key, Within(high=1), "in [a, b]", predicted="[0]") for key in "ab"),
    )
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(as_table([row(claim, SMALL, SMALL)]))
    text = console.export_text()
    for words in ("Start [bold] at [red]A.", "- in [a, b]", "[0]"):
        assert words in text


def test_a_cell_is_short():
    assert [cell(value) for value in (None, 1234.5678, 7, "word")] == ["-", "1.23e+03", "7", "word"]
