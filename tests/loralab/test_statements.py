"""The statements of the abstracts name theorems, tests and claims that exist, and their page shows
them."""

import pytest

from loralab import recorded, statements
from loralab.families import proxies
from tests.support.chains import CLAIMS, has_equation, has_test

EACH = [(paper, each) for paper, some in statements.read().items() for each in some]
SOURCES = {
    "2402.16842",
    "2406.08447",
    "2409.01035",
    "2410.07170",
    "2410.18965",
    "2412.10362",
}


def test_every_paper_has_its_statements():
    assert statements.read().keys() == SOURCES
    assert len(EACH) >= 30


@pytest.mark.parametrize(("paper", "each"), EACH, ids=lambda value: str(value)[:40])
def test_what_a_statement_names_exists(paper, each):
    assert each.keys() == {"statement", "theorem", "test", "claims", "note"}
    assert has_equation(each["theorem"])
    assert not each["test"] or has_test(each["test"])
    assert bool(each["theorem"]) <= bool(each["test"]), "a theorem has its property test"
    assert set(each["claims"]) <= CLAIMS.keys()
    assert each["note"] or (each["theorem"] and each["claims"]), "a hole says why"


def test_the_page_shows_them():
    rows = [row for p in proxies() for row in recorded.rows_of(p, recorded.read(p.stem))]
    page = statements.page({row.claim.id: row.verdict for row in rows})
    assert statements.PAGE.read_text(encoding="utf-8") == page, "`make ledger` writes it"
