"""The rules of the recommendation against the ledger."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from loralab import recorded
from loralab.claims import Scope
from loralab.families import proxies
from scaling.advice.facts import Facts, over_layers
from scaling.advice.recommendation import RULES, recommend, sweep
from scaling.studies.claims.predictions import CLAIMS

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
        ({"gain": 0.0, "saved": 0.02}, "freeze if memory is short", "A", "A11b"),
        ({}, "rates", [2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3], "S9"),
        ({"fresh": True}, "rates", [2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3], "L11"),
        ({"bound": {"init_a": 1e-3}}, "rates", [6.3e-5, 1.3e-4, 2.5e-4, 5e-4, 1e-3], "S9"),
        (
            {"bound": {"init_a": 1e-3}, "fresh": True},
            "rates",
            [6.3e-5, 1.3e-4, 2.5e-4, 5e-4, 1e-3],
            "L11",
        ),
    ],
)
def test_the_rules(changed, choice, value, claim):
    found = {c.choice: c for c in recommend(replace(FACTS, **changed))}
    assert found[choice].value == value
    assert claim in found[choice].claims


def test_the_reasons_have_the_numbers_of_this_model():
    """In percent and with the sign that is meant."""
    low = replace(FACTS, signal=0.90, signal_uncentred=0.97, bound={"init_a": 1e-3, "eva": 1e-3})
    found = {c.choice: c for c in recommend(low)}
    assert found["scheme_options"].why == (
        "do not centre the inputs: that would cost 7% of the gradient signal"
    )
    assert "then moved down: above the last of them a first step raised" in found["rates"].why
    found = {c.choice: c for c in recommend(FACTS)}
    assert "none is so large that a first step raises the loss" in found["rates"].why
    assert found["scheme"].why == (
        "EVA is advised where its rows get at least 95% of the best gradient signal and at least "
        "2 times what random rows get: here they get 80%, and random rows 5%"
    )
    [advised] = [c for c in recommend(replace(FACTS, signal=0.97)) if c.choice == "scheme"]
    assert "it improved SmolLM2-135M less (LM1b), so sweep both" in advised.why
    assert "training B explains +0.10 more" in found["freeze if memory is short"].reason


def test_the_gain_is_what_training_b_explains_more_in_the_middle_layer():
    rows: Any = [
        SimpleNamespace(
            signal=s, signal_uncentred=s, signal_random=s, outside=s, tune_b=b, tune_a=a
        )
        for s, b, a in ((0.1, 0.5, 0.3), (0.2, 0.9, 0.8), (0.6, 0.1, 0.9))
    ]
    found = over_layers(rows)
    assert found["gain"] == pytest.approx(0.1)
    assert found["signal"] == pytest.approx(0.3)


def test_no_rate_is_made_up():
    unknown = {"init_a": None}
    assert recommend(replace(FACTS, predicted=unknown))[-1].value[-1] == 0.1
    with pytest.raises(ValueError, match="no learning rate can be advised"):
        recommend(replace(FACTS, predicted=unknown, bound=unknown))


def test_every_rule_rests_on_claims_that_there_are():
    known = {claim.id for family in proxies() for claim in family.claims}
    assert {claim for rule in RULES for claim in rule.claims} <= known


def test_the_reasons_say_what_the_ledger_has():
    """A changed verdict changes the advice."""
    verdicts = {
        row.claim.id: str(row.verdict)
        for family in proxies()
        for row in recorded.rows_of(family, recorded.read(family.stem))
    }
    assert {verdicts[id] for id in ("A15", "L8", "L11", "E3")} == {"holds"}
    assert {verdicts[id] for id in ("E8c", "E3b")} == {"refuted"}
    assert verdicts["E2e"] == "holds under conditions"
    assert {verdicts[id] for id in ("E9", "A15b", "A11", "A11b")} == {"inconclusive"}


SEEN = {
    Scope.ENCODER: "22 M sentence encoder",
    Scope.TOY_LM: "GPT of width 128",
}


def test_every_reason_says_on_what_it_was_seen():
    scopes = {claim.id: claim.scope for claim in CLAIMS}
    for rule in RULES:
        assert bool(rule.claims) == bool(rule.seen)
        assert rule.because(FACTS).endswith(f"({rule.seen})") or not rule.claims
        for claim in set(rule.claims) & scopes.keys():
            assert SEEN[scopes[claim]] in rule.seen
    assert all(choice.reason.endswith(")") for choice in recommend(FACTS))


def test_no_reason_speaks_of_digits_as_if_they_were_text():
    for rule in RULES:
        assert "digits" not in rule.reason(FACTS), "what was measured belongs to what was seen"
    assert sweep(1e-3) == [2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3]
