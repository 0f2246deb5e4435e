"""The page of repeated claims has the record's numbers of today."""

from loralab import recorded, replications
from loralab.claims import Check, Claim, Kind, Measured, Scope, Within
from loralab.families import proxies
from loralab.rows import row_of

CLAIM = Claim(
    "X1",
    "It is so.",
    "derived",
    (Check("one, two", Within(low=0)),),
    kind=Kind.LAW,
    scope=Scope.EXACT,
)


def test_the_page_is_of_the_record():
    rows = [row for p in proxies() for row in recorded.rows_of(p, recorded.read(p.stem))]
    text = replications.PAGE.read_text(encoding="utf-8")
    assert replications.written(text, rows) == text, "`make ledger`"
    named = {line.split(" | ")[0].removeprefix("| ") for line in text.split("\n") if "| " in line}
    assert len(named & {row.claim.id for row in rows}) == 15, "fifteen claims were repeated"


def test_a_line_gets_what_was_measured_and_other_lines_stay():
    row = row_of(CLAIM, {"one, two": Measured(0.5, 0.25, 0.75)})
    page = (
        "| claim | check | ledger | again |\n| X1 | one, two | - | 0.4 |\n| X1 | three | - | 1 |\n"
    )
    filled = page.replace("two | -", "two | 0.5 [0.25, 0.75], supported")
    assert replications.written(page, [row]) == filled
    assert replications.written(filled, [row]) == filled
