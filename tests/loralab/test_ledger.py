"""The ledger as people and programs see it."""

import io
import json
from typing import Any

from rich.console import Console

from loralab.claims import Check, Claim, Kind, Measured, Scope, Within, at
from loralab.ledger import (
    as_table,
    as_text,
    cell,
    checks_table,
    records_table,
    text_of,
    totals_table,
    with_interval,
)
from loralab.rows import Row, row_of

ABOUT: dict[str, Any] = {"kind": Kind.EFFECT, "scope": Scope.SMALL}
ONE = Claim("X1", "One | holds.", "derived", (Check("size", Within(high=1)),), **ABOUT)
TWO = Claim(
    "X2",
    "Two hold where it is wide.",
    "0000.00000",
    (
        Check("wide", Within(high=1), "size, wide", claimed="0"),
        Check("narrow", Within(high=1), "size, narrow", "0", at(5)),
    ),
    separates="the width",
    **ABOUT,
)
NOTHING: dict[str, Any] = {"kind": Kind.EFFECT, "scope": Scope.NONE}
LARGE_ONE = Claim("X3", "On 7 B.", "0000.00000", untestable="it needs 7 B", **NOTHING)
SMALL, LARGE, UNSURE = (
    Measured(0.5, 0.25, 0.75, "Student", "seed", 8),
    Measured(5, 4, 6),
    Measured(1, 0, 2),
)


def row(claim: Claim, *measured: Measured | None) -> Row:
    """The claim with evidence for its checks, in their order."""
    return row_of(claim, dict(zip(claim.keys, measured, strict=True)))


def test_json_has_every_check_with_its_interval_and_how_it_stands():
    one, two, three = json.loads(as_text([row(ONE, SMALL), row(TWO, None, LARGE), row(LARGE_ONE)]))
    assert (one["id"], one["verdict"], one["kind"], one["scope"]) == (
        "X1",
        "holds",
        "effect",
        "small network",
    )
    [check] = one["checks"]
    for name, value in {
        "key": "size",
        "value": 0.5,
        "low": 0.25,
        "high": 0.75,
        "design": "Student",
        "unit": "seed",
        "draws": 8,
        "criterion": "<= 1",
        "predicted": None,
        "outcome": "supported",
        "registered": False,
        "look": 1,
    }.items():
        assert check[name] == value, name
    wide, narrow = two["checks"]
    assert (wide["value"], wide["outcome"], wide["claimed"]) == (None, None, "0")
    assert (narrow["outcome"], narrow["predicted"]) == ("contradicted", "= 5")
    assert two["verdict"] == "inconclusive", "one of its checks is not measured"
    assert (three["verdict"], three["untestable"], three["checks"]) == (
        "not testable here",
        "it needs 7 B",
        [],
    )


def printed(table: Any) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_people_see_every_check_of_every_claim():
    text = printed(as_table([row(ONE, SMALL), row(TWO, UNSURE, None), row(LARGE_ONE)]))
    for words in (
        "One | holds.",
        "0.5 [0.25, 0.75]",
        "- size, narrow",
        "1 [0, 2]",
        "inconclusive",
        "not measured",
        "exploratory",
        "it needs 7 B",
    ):
        assert words in text


def test_the_checks_of_a_claim_have_no_empty_columns():
    both = printed(checks_table(row(TWO, UNSURE, None)))
    alone = printed(checks_table(row(ONE, SMALL)))
    for words in ("source's claim", "our prediction"):
        assert words in both
        assert words not in alone
    assert "0.5 [0.25, 0.75]" in alone


def test_totals_are_of_verdicts_kinds_and_scopes():
    text = printed(totals_table([row(ONE, SMALL), row(TWO, SMALL, LARGE), row(LARGE_ONE)]))
    for words in ("3 claims", "1 holds", "1 not testable here", "3 effect", "3 exploratory"):
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


def test_ends_that_are_alike_in_three_digits_have_more():
    def said(value: float, low: float, high: float) -> str:
        return with_interval(Measured(value, low, high, "range", "draw", 7, 1.0))

    assert said(0.123456, 0.1, 0.2) == "0.123 [0.1, 0.2]"
    assert said(1.03234, 1.03012, 1.03498) == "1.032 [1.03, 1.035]"
    assert said(0.9999988, 0.9999984, 1) == "0.999999 [0.999998, 1]"
    assert said(1, 1 - 1e-12, 1) == "1 [1, 1]"


def test_brackets_in_a_claim_are_words_not_colours():
    checks = tuple(Check(key, Within(high=1), "in [a, b]", "[0]") for key in "ab")
    claim = Claim("X4", "Start [bold] at [red]A.", "0000.00000", checks, **ABOUT)
    text = printed(as_table([row(claim, SMALL, SMALL)]))
    for words in ("Start [bold] at [red]A.", "- in [a, b]", "[0]"):
        assert words in text


def test_a_cell_is_short():
    assert [cell(value) for value in (None, 1234.5678, 7, "word")] == ["-", "1.23e+03", "7", "word"]
