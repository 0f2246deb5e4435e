"""The recorded ledger is of the claims as they are declared, and the page that people read shows
it."""

import json
from typing import Any

import pytest

from loralab import page, recorded, registry, trials
from loralab.claims import Outcome, judge
from loralab.families import proxies
from loralab.proxy import Proxy
from loralab.rows import measured_of
from loralab.store import canonical

FAMILIES = list(proxies())
RECORDS: dict[str, Any] = {proxy.stem: recorded.read(proxy.stem) for proxy in FAMILIES}
LINES = [line for record in RECORDS.values() for line in (record or {"checks": []})["checks"]]


def test_the_page_shows_the_records():
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.page(FAMILIES, RECORDS) == text, "`make ledger` writes it"


def test_what_is_recorded_is_of_a_family():
    stems = {proxy.stem for proxy in FAMILIES}
    for folder in (recorded.FOLDER, trials.FOLDER):
        assert {file.name.partition(".")[0] for file in folder.glob("*")} <= stems


@pytest.mark.parametrize("proxy", FAMILIES, ids=lambda proxy: proxy.stem)
def test_a_record_has_the_checks_as_they_are_declared(proxy):
    if (record := RECORDS[proxy.stem]) is None:
        assert proxy.study, "a proxy is measured in minutes"
        pytest.skip("a study that takes hours, registered and not measured yet")
    lines = {(line["id"], line["key"]): line for line in record["checks"]}
    for about in record["runs"].values():
        assert about["size"] in (proxy.size_of(about["config"]), *registered_as(proxy, about))
        assert about["size"] != "other"
    whole = {about["size"] for about in record["runs"].values()} >= proxy.sizes.keys() - {"quick"}
    for claim in proxy.claims:
        for check in claim.checks:
            if (line := lines.pop((claim.id, check.key), None)) is None:
                assert not whole, f"{claim.id} {check.key} is not recorded"
                continue
            for name, value in recorded.as_declared(claim, check).items():
                assert line[name] == value, f"{claim.id} {check.key}: {name}"
            assert line["outcome"] == judge(check.criterion, measured_of(line))
            assert line["run"] in record["runs"]
    assert not lines


def registered_as(proxy: Proxy, about: dict[str, Any]) -> list[str]:
    """The names that the registry has, or had, for the size of a run."""
    return [
        name
        for entry in registry.read()
        if entry["family"] == proxy.stem
        for name, size in entry["sizes"].items()
        if size == about["config"] | {"block": size["block"]}
    ]


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line['id']} {line['key']}")
def test_a_line_says_how_its_interval_was_made(line):
    assert line["design"]
    assert line["design"] == "exact" or (line["unit"] and line["draws"] >= 1)


def test_the_registered_line_of_a_check_goes_before_an_exploratory_one():
    def record(run: str, **lines: bool) -> dict[str, Any]:
        checks = [
            {"id": "X", "key": key, "run": run, "registered": stands}
            for key, stands in lines.items()
        ]
        return {"family": "x", "checks": checks, "runs": {run: {"size": run}}}

    merged = recorded.merged([record("new", a=False, b=False), record("old", a=True, b=False)])
    assert merged is not None
    assert {line["key"]: line["run"] for line in merged["checks"]} == {"a": "old", "b": "new"}
    only = recorded.merged([record("new", a=True), record("old", a=True)])
    assert only is not None
    assert only["runs"] == {"new": {"size": "new"}}
    assert recorded.merged([]) is None


def test_a_family_is_only_contradicted_by_the_opposite_outcome():
    proxy = next(proxy for proxy in FAMILIES if RECORDS[proxy.stem])
    record = json.loads(canonical(RECORDS[proxy.stem]))
    rows = recorded.rows_of(proxy, record)
    assert recorded.contradictions(proxy, rows) == []
    row, entry = next(
        (row, entry) for row in rows for entry in row.evidence if entry.outcome == Outcome.SUPPORTED
    )
    line = next(
        x for x in record["checks"] if (x["id"], x["key"]) == (row.claim.id, entry.check.key)
    )
    low, high = entry.check.criterion.low, entry.check.criterion.high
    outside = (low - 1) if low > -float("inf") else (high + 1)
    line |= {"value": outside, "low": outside, "high": outside}
    [changed] = recorded.contradictions(proxy, recorded.rows_of(proxy, record))
    assert changed.startswith(f"{row.claim.id} {entry.check.key}: supported in the record")
    line |= {"low": -1e300, "high": 1e300}
    assert recorded.contradictions(proxy, recorded.rows_of(proxy, record)) == []


def test_what_holms_correction_leaves_open_may_not_turn_round_either():
    """A reduced run of a study decides little with it, and is to warn of a wrong program."""
    proxy, row, entry = next(
        (proxy, row, entry)
        for proxy in FAMILIES
        for row in recorded.rows_of(proxy, RECORDS[proxy.stem])
        for entry in row.evidence
        if entry.uncorrected != entry.outcome and entry.uncorrected == Outcome.CONTRADICTED
    )
    record = json.loads(canonical(RECORDS[proxy.stem]))
    name = (row.claim.id, entry.check.key)
    line = next(line for line in record["checks"] if (line["id"], line["key"]) == name)
    low, high = (entry.check.criterion.low, entry.check.criterion.high)
    inside = low + 1 if low > -float("inf") else high - 1
    line |= {"value": inside, "low": inside, "high": inside}
    found = recorded.contradictions(proxy, recorded.rows_of(proxy, record))
    assert [each.partition(",")[0] for each in found] == [
        f"{' '.join(name)}: contradicted in the record"
    ]


def test_a_decision_is_corrected_for_all_that_its_family_declares():
    proxy = next(proxy for proxy in FAMILIES if proxy.study and RECORDS[proxy.stem])
    line = next(line for line in RECORDS[proxy.stem]["checks"] if line["p"] is not None)
    rows = recorded.rows_of(proxy, {"checks": [line]})
    entries = [entry for row in rows for entry in row.evidence]
    [measured] = [entry for entry in entries if entry.measured]
    assert measured.holm == pytest.approx(min(1, line["p"] * len(entries)), rel=1e-12)
