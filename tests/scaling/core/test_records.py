"""Which records lack a column, and what is said of it."""

import pytest

from scaling.core.records import Row, check_columns


def row(number: int, **record: object) -> Row:
    return Row(record, "line", number, "some.jsonl")


CASES = {
    "no record": (
        [row(10, text="a"), row(2, text="b")],
        "no record of some.jsonl has a column 'prompt'; they have 'text'; --columns names the "
        "columns",
    ),
    "some": (
        [row(10, text="a"), row(4, prompt="b"), row(7, text="c"), row(8, text="d")],
        "line 7 of some.jsonl has no column 'prompt'; it has 'text'; --columns names the columns",
    ),
    "no value": ([row(3, prompt="b"), row(2, prompt=None)], "line 2 of some.jsonl has no value"),
    "a list": ([row(3, prompt=["b"])], "line 3 of some.jsonl has a list in 'prompt', which must"),
    "of no file": ([{"text": "a"}, {"text": "b"}], "no record has a column 'prompt'"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_lowest_line_is_named_or_that_no_record_has_the_column(case):
    records, expected = CASES[case]
    with pytest.raises(ValueError) as error:  # noqa: PT011  # the whole sentence is below
        check_columns(records, ["prompt"], ["prompt"])
    assert str(error.value).startswith(expected)


def test_a_record_knows_its_place_when_a_column_is_added():
    assert (row(3, text="a") | {"more": 1}).where == "line 3 of some.jsonl"
