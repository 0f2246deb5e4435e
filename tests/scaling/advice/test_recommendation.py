"""The rules of the recommendation against the ledger."""

from dataclasses import replace
from typing import Any

import pytest

from loralab import recorded
from loralab.families import proxies
from scaling.advice.recommendation import RULES, Facts, recommend, sweep

FACTS = Facts(
    signal=0.7,
    signal_uncentred=0.8,
    signal_random=0.05,
    outside=0.1,
    gain=0.1,
    fresh=False,
    saved=0.3,
    rank=8,
    predicted={"init_a": 1e-3, "eva": 1e-3},
    bound={"init_a": 1e-1, "eva": 1e-2},
    delay={"init_a": 0.0, "eva": 0.2},
)


@pytest.mark.parametrize(
    ("changed", "choice", "value", "claim"),
    [
        ({}, "scheme", "init_a", "E9"),
        ({"signal": 0.97}, "scheme", "eva", "E9"),
        ({"signal": 0.97, "signal_random": 0.6}, "scheme", "init_a", "E9"),
        ({"signal_uncentred": 0.97}, "scheme_options", {"center": False}, "E3b"),
        ({"fresh": True, "gain": -0.5}, "freeze if memory is short", "A", "A15b"),
        ({"gain": 0.3}, "freeze if memory is short", "A", "A15"),
        ({"gain": -0.3}, "freeze if memory is short", "A", "A15"),
        ({"gain": -0.3, "saved": 0.02}, "freeze if memory is short", "B", "A15"),
        ({}, "rates", [2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3], "L11"),
        ({"bound": {"init_a": 1e-3}}, "rates", [6.3e-5, 1.3e-4, 2.5e-4, 5e-4, 1e-3], "L11"),
    ],
)
def test_the_rules(changed, choice, value, claim):
    found = {c.choice: c for c in recommend(replace(FACTS, **changed))}
    assert found[choice].value == value
    assert claim in found[choice].claims


def test_no_rate_is_made_up():
    unknown = {"init_a": None}
    assert recommend(replace(FACTS, predicted=unknown))[-1].value[-1] == 0.1
    with pytest.raises(ValueError, match="no learning rate can be advised"):
        recommend(replace(FACTS, predicted=unknown, bound=unknown))


def test_every_rule_rests_on_claims_of_the_ledger():
    records: Any = [(family, recorded.read(family.stem)) for family in proxies()]
    found = [row for pair in records for row in recorded.recorded_rows(*pair)]
    verdicts = {row.claim.id: row.verdict for row in found}
    named = {claim for rule in RULES for claim in rule.claims}
    assert named <= verdicts.keys()
    # What the reasons say of them; a changed verdict changes the advice.
    assert verdicts["A15b"] == verdicts["E3b"] == verdicts["A11"] == "refuted"
    assert verdicts["A15"] == verdicts["A11b"] == verdicts["L11"] == verdicts["E3"] == "holds"
    assert verdicts["S8b"] == verdicts["S8c"] == verdicts["S8d"] == "holds"
    assert verdicts["S8"] == "inconclusive"
    assert {verdicts[c] for c in ("E2e", "E8c", "E9", "L8", "A12")} == {"holds under conditions"}
    assert sweep(1e-3) == [2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3]
