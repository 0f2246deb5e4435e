"""The README's ledger is what the run store held, and what the proxies declare."""

import json

from loralab.code import ROOT
from loralab.families import proxies
from loralab.ledger import as_markdown, inserted, predicted

RECORDS = json.loads((ROOT / "ledger.json").read_text(encoding="utf-8"))


def test_the_page_shows_the_ledger():
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert inserted(as_markdown(RECORDS), page) == page, "`make ledger` writes it"


def test_the_ledger_holds_the_claims_as_declared():
    declared = {
        claim.id: (claim.statement, claim.source, str(claim.expected))
        for proxy in proxies()
        for claim in proxy.claims
    }
    assert {r["id"]: (r["statement"], r["source"], r["expected"]) for r in RECORDS} == declared


def test_every_record_shows_one_of_its_claims_checks():
    checks = {
        claim.id: {(predicted(check), str(check.criterion)) for check in claim.checks}
        for proxy in proxies()
        for claim in proxy.claims
    }
    for record in RECORDS:
        assert (record["predicted"], record["criterion"]) in checks[record["id"]], record["id"]


def test_every_verdict_is_the_expected_one():
    assert [r["id"] for r in RECORDS if r["verdict"] != r["expected"]] == []
