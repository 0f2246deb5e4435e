"""Verdicts: the laws of `judge` and of a claim's verdict."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loralab.claims import Check, Claim, Kind, Measured, Outcome, Scope, Verdict, Within, at, judge

ends = st.integers(-6, 6).map(float)
# finer than the ends, so that every open piece holds a point
points = [x / 2 for x in range(-14, 15)]
criteria = st.tuples(ends | st.just(-math.inf), ends | st.just(math.inf)).filter(
    lambda e: e[0] <= e[1]
)
withins = criteria.map(lambda e: Within(*e))
measurements = (
    st.lists(ends, min_size=3, max_size=3).map(sorted).map(lambda e: Measured(e[1], e[0], e[2]))
)
outcomes = st.lists(st.sampled_from(Outcome), min_size=1)
ABOUT: dict[str, Any] = {"kind": Kind.EFFECT, "scope": Scope.SIMULATION}
ONE = (Check("one", Within()),)


def verdict(found: list[Outcome], **about: Any) -> Verdict | None:
    return Claim("X1", "It is.", "derived", ONE, **ABOUT, **about).verdict(found)


def accepted(criterion: Within, measured: Measured) -> set[bool]:
    """Whether each possible truth, a point of the measured interval, is accepted: the definition,
    point by point."""
    return {
        criterion.low <= x <= criterion.high for x in points if measured.low <= x <= measured.high
    }


@given(withins, measurements)
def test_a_verdict_says_what_is_true_of_every_point_of_the_interval(criterion, measured):
    truths = accepted(criterion, measured)
    wanted = (
        Outcome.UNDECIDED
        if len(truths) == 2
        else Outcome.SUPPORTED
        if True in truths
        else Outcome.CONTRADICTED
    )
    assert judge(criterion, measured) == wanted


@given(withins, measurements, ends, ends)
def test_a_narrower_interval_never_overturns_a_decided_verdict(criterion, measured, a, b):
    low, high = (
        max(measured.low, min(a, measured.value)),
        min(measured.high, max(b, measured.value)),
    )
    before, after = (
        judge(criterion, measured),
        judge(criterion, Measured(measured.value, low, high)),
    )
    assert before in (after, Outcome.UNDECIDED)


@given(withins, measurements, st.floats(0, 9), st.floats(0, 9))
def test_a_wider_criterion_is_never_harder_to_meet(criterion, measured, below, above):
    order = [Outcome.CONTRADICTED, Outcome.UNDECIDED, Outcome.SUPPORTED]
    wider = Within(criterion.low - below, criterion.high + above)
    assert order.index(judge(wider, measured)) >= order.index(judge(criterion, measured))


@given(withins, measurements)
def test_a_change_of_sign_changes_no_verdict(criterion, measured):
    mirrored = judge(
        Within(-criterion.high, -criterion.low),
        Measured(-measured.value, -measured.high, -measured.low),
    )
    assert mirrored == judge(criterion, measured)


@given(ends)
def test_a_value_on_the_bound_is_accepted(x):
    assert (
        judge(Within(high=x), Measured(x, x, x))
        == judge(Within(low=x), Measured(x, x, x))
        == Outcome.SUPPORTED
    )


@given(outcomes, st.booleans(), st.booleans(), st.randoms(use_true_random=False))
def test_a_verdict_depends_on_which_outcomes_there_are_alone(some, covers, universal, random):
    shuffled = some + random.choices(some, k=3)
    random.shuffle(shuffled)
    about = {"covers": covers, "universal": universal}
    assert verdict(shuffled, **about) == verdict(some, **about)


@given(outcomes, st.booleans())
def test_nothing_undecided_becomes_decided_but_by_a_counter_example(some, covers):
    open_ended = [*some, Outcome.UNDECIDED]
    assert verdict(open_ended, covers=covers) == Verdict.INCONCLUSIVE
    refuted = Verdict.REFUTED if covers else Verdict.NOT_SEEN
    wanted = refuted if Outcome.CONTRADICTED in some else Verdict.INCONCLUSIVE
    assert verdict(open_ended, covers=covers, universal=True) == wanted


S, C, U = Outcome.SUPPORTED, Outcome.CONTRADICTED, Outcome.UNDECIDED


@pytest.mark.parametrize(
    ("found", "covered", "elsewhere"),
    [
        ([S, S], Verdict.HOLDS, Verdict.SEEN),
        ([C, C], Verdict.REFUTED, Verdict.NOT_SEEN),
        ([S, C], Verdict.CONDITIONS, Verdict.SEEN_CONDITIONS),
        ([S, U], Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE),
        ([], None, None),
    ],
)
def test_holds_and_refuted_are_said_only_where_the_source_speaks_of_the_scope(
    found, covered, elsewhere
):
    assert (verdict(found), verdict(found, covers=False)) == (covered, elsewhere)


def test_what_cannot_be_tested_says_so_and_has_no_checks():
    about: dict[str, Any] = {**ABOUT, "scope": Scope.NONE, "untestable": "it needs 7 B"}
    claim = Claim("X1", "It is.", "0000.00000", **about)
    assert claim.verdict([]) == Verdict.UNTESTABLE
    with pytest.raises(ValueError, match="needs no checks"):
        Claim("X1", "It is.", "0000.00000", ONE, **about)
    with pytest.raises(ValueError, match="needs the scope none"):
        replace(claim, scope=Scope.LM)


def test_another_level_and_a_monotone_map_keep_the_data():
    measured = Measured(0, -1, 1, "Student", "seed", 3, interval=lambda level: (-level, level))
    wider = measured.at_level(0.99)
    assert (wider.low, wider.high, wider.level, wider.draws) == (-0.99, 0.99, 0.99, 3)
    turned = measured.map(lambda x: 1 - x)
    assert (turned.value, turned.low, turned.high) == (1, 0, 2)
    again = turned.at_level(0.5)
    assert (again.low, again.high) == (0.5, 1.5)
    fixed = Measured(0, -1, 1)
    assert fixed.at_level(0.99) is fixed


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda: Within(2, 1),
        lambda: Within(math.nan, 1),
        lambda: Measured(math.nan, 0, 1),
        lambda: Measured(math.inf, 0, math.inf),
        lambda: Measured(2, 0, 1),
        lambda: Measured(0, math.nan, 1),
        lambda: Claim("X1", "It is.", "derived", (), **ABOUT),
        lambda: Claim("X1", "It is.", "derived", (Check("a", Within(), ours=True),), **ABOUT),
        lambda: Claim("X1", "It is.", "derived", ONE * 2, **ABOUT),
    ],
)
def test_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError, match=r"needs?"):
        nonsense()


def test_a_criterion_reads_as_it_is_written():
    criteria = [Within(high=1), Within(low=0.5), at(2), Within(1, 2)]
    assert [str(c) for c in criteria] == ["<= 1", ">= 0.5", "= 2", "in [1, 2]"]
