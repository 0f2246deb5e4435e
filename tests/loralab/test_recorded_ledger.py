"""The recorded ledger is what the claims declare, and the page that people read shows it."""

from typing import Any

import pytest

from loralab import recorded
from loralab.families import proxies

FAMILIES = list(proxies())
RECORDS: dict[str, Any] = {proxy.stem: recorded.read(proxy.stem) for proxy in FAMILIES}


def test_the_page_shows_the_records():
    page = recorded.PAGE.read_text(encoding="utf-8")
    assert recorded.page(FAMILIES, RECORDS) == page, "`make ledger` writes it"


@pytest.mark.parametrize("proxy", FAMILIES, ids=lambda proxy: proxy.stem)
def test_a_record_has_the_checks_that_its_claims_declare(proxy):
    measured = RECORDS[proxy.stem]["measured"]
    declared = {claim.id: list(claim.keys) for claim in proxy.claims}
    assert {id: list(checks) for id, checks in measured.items()} == declared


@pytest.mark.parametrize("proxy", FAMILIES, ids=lambda proxy: proxy.stem)
def test_every_recorded_verdict_is_the_expected_one(proxy):
    rows = recorded.recorded_rows(proxy, RECORDS[proxy.stem])
    assert [row.claim.id for row in rows if row.surprises or row.verdict is None] == []
