"""Verdicts: the laws of `judge` and `combine`."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loralab.claims import Check, Claim, Measured, Verdict, Within, combine, judge

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
verdicts = st.lists(st.sampled_from(Verdict), min_size=1)


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
        Verdict.INCONCLUSIVE
        if len(truths) == 2
        else Verdict.HOLDS
        if True in truths
        else Verdict.REFUTED
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
    assert before in (after, Verdict.INCONCLUSIVE)


@given(withins, measurements, st.floats(0, 9), st.floats(0, 9))
def test_a_wider_criterion_is_never_harder_to_meet(criterion, measured, below, above):
    order = [Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.HOLDS]
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
        == Verdict.HOLDS
    )


@given(verdicts, st.randoms(use_true_random=False))
def test_combining_depends_on_which_verdicts_there_are_alone(some, random):
    shuffled = some + random.choices(some, k=3)
    random.shuffle(shuffled)
    assert combine(shuffled) == combine(some)


@given(verdicts)
def test_nothing_undecided_becomes_decided(some):
    assert combine([*some, Verdict.INCONCLUSIVE]) == Verdict.INCONCLUSIVE


@pytest.mark.parametrize("verdict", Verdict)
def test_agreement_is_kept(verdict):
    assert combine([verdict] * 3) == verdict


def test_a_mixture_holds_under_conditions_only_when_every_part_is_decided():
    for pair in itertools.combinations(Verdict, 2):
        mixed = set(pair) == {Verdict.HOLDS, Verdict.REFUTED}
        assert combine(pair) == (Verdict.CONDITIONS if mixed else Verdict.INCONCLUSIVE)


def test_what_a_claim_expects_follows_from_its_checks():
    checks = (
        Check("here", Within(), predicted="1"),
        Check("there", Within(), predicted="2", expected=Verdict.REFUTED),
    )
    assert Claim("X1", "It is.", "derived", checks).expected == Verdict.CONDITIONS


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda: Within(2, 1),
        lambda: Within(math.nan, 1),
        lambda: Measured(math.nan, 0, 1),
        lambda: Measured(math.inf, 0, math.inf),
        lambda: Measured(2, 0, 1),
        lambda: Measured(0, math.nan, 1),
        lambda: Claim("X1", "It is.", "derived", ()),
    ],
)
def test_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError, match="needs"):
        nonsense()


def test_a_criterion_reads_as_it_is_written():
    criteria = [Within(high=1), Within(low=0.5), Within(2, 2), Within(1, 2)]
    assert [str(c) for c in criteria] == ["<= 1", ">= 0.5", "= 2", "in [1, 2]"]
