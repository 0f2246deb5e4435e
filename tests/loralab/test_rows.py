"""A claim beside its evidence: which checks decide, and what a table must say of each."""

from dataclasses import replace
from typing import Any

import pytest

from loralab.claims import Check, Claim, Kind, Measured, Outcome, Scope, Verdict, Within, at
from loralab.registry import Standing
from loralab.rows import Entry, Row, kept, measured_of, row_of, totals

ABOUT: dict[str, Any] = {"kind": Kind.EFFECT, "scope": Scope.SMALL}
LOWER = Check("lower", Within(high=1), "loss over LoRA's", "< 1", at(0.5))
MARGIN = Check("margin", Within(high=0.9), "loss over LoRA's", ours=True)
CLAIM = Claim("X1", "It is lower.", "0000.00000", (LOWER, MARGIN), **ABOUT)
REGISTERED = Standing(2, registered=True)


def interval(low: float, high: float) -> Measured:
    return Measured((low + high) / 2, low, high, "Student", "seed", 8)


def test_a_margin_of_ours_is_shown_and_does_not_decide():
    row = row_of(CLAIM, {"lower": interval(0.95, 0.97), "margin": interval(0.95, 0.97)})
    assert [entry.outcome for entry in row.evidence] == [Outcome.SUPPORTED, Outcome.CONTRADICTED]
    assert (row.verdict, row.tally, row.complete) == (
        Verdict.HOLDS,
        "1 of 1 checks supported",
        True,
    )
    assert row_of(CLAIM, {"margin": interval(0.5, 0.6)}).verdict is None


def test_a_claim_is_open_while_a_check_that_decides_is_not_measured():
    checks = (LOWER, Check("other", Within(high=1), "the same on text"), MARGIN)
    claim = Claim("X2", "It is lower.", "0000.00000", checks, **ABOUT)
    row = row_of(claim, {"lower": interval(0.8, 0.9)})
    assert (row.verdict, row.tally) == (
        Verdict.INCONCLUSIVE,
        "1 of 2 checks supported, 1 not measured",
    )
    assert row_of(claim, {"lower": interval(0.8, 0.9), "other": interval(0.7, 0.8)}).verdict == (
        Verdict.HOLDS
    ), "a margin of ours need not be"
    assert row_of(replace(claim, universal=True), {"other": interval(1.1, 1.2)}).verdict == (
        Verdict.REFUTED
    )


def test_an_interval_that_excludes_its_prediction_says_so_whatever_the_outcome():
    entry = Entry(LOWER, interval(0.8, 0.9), REGISTERED)
    assert entry.outcome == Outcome.SUPPORTED
    assert entry.notes == ["look 2", "prediction excluded"]
    assert Entry(LOWER, interval(0.4, 0.9), REGISTERED).notes == ["look 2"]
    assert Entry(MARGIN, interval(0.4, 0.8)).notes == ["exploratory", "our margin"]
    assert Entry(LOWER).notes == []


@pytest.mark.parametrize(
    ("holm", "outcome"),
    [(None, Outcome.SUPPORTED), (0.04, Outcome.SUPPORTED), (0.06, Outcome.UNDECIDED)],
)
def test_a_decision_is_judged_with_holms_correction_and_both_readings_are_shown(holm, outcome):
    entry = Entry(MARGIN, interval(0.5, 0.6), REGISTERED, p=0.01, holm=holm)
    assert (entry.uncorrected, entry.outcome) == (Outcome.SUPPORTED, outcome)
    assert ("supported before Holm" in entry.notes) == (outcome == Outcome.UNDECIDED)
    row = Row(CLAIM, (replace(entry, check=LOWER),))
    assert row.verdict == (Verdict.HOLDS if outcome == Outcome.SUPPORTED else Verdict.INCONCLUSIVE)


def test_what_is_kept_of_a_measurement_gives_it_back():
    measured = interval(0.25, 0.75)
    assert measured_of(kept(measured, 0.03)) == measured


def test_totals_count_claims_and_how_their_checks_stand():
    nothing: dict[str, Any] = {"kind": Kind.LAW, "scope": Scope.NONE}
    untestable = Claim("X2", "On 7 B.", "0000.00000", untestable="7 B", **nothing)
    half = Row(CLAIM, (Entry(LOWER, interval(0.4, 0.9), REGISTERED), Entry(MARGIN)))
    found = totals([half, row_of(untestable), row_of(CLAIM, {"lower": interval(2, 3)})])
    assert found["verdict"] == {"holds": 1, "not testable here": 1, "refuted": 1}
    assert found["kind"] == {"effect": 2, "law": 1}
    assert found["scope"] == {"small network": 2, "none": 1}
    assert found["checks"] == {"registered": 1, "exploratory": 1, "not measured": 2}
