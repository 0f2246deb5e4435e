"""What intervals decide, and how surely."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as oracle

from loralab.claims import Measured, Within
from loralab.statistics import (
    equivalence,
    exact,
    geometric_mean,
    holm,
    mean,
    p_value,
    proportion,
    spread,
)

VALUES = [0.3, 0.1, 0.4, -0.1, 0.5, 0.2]
# 50 halvings of alpha, of which the quantile is known to about 1e-12
CLOSE = 1e-9


def test_of_one_bound_it_is_the_p_value_of_the_t_test():
    for bound in (0.0, 0.2, 0.5):
        _, wanted = oracle.ttest_1samp(VALUES, bound)
        assert p_value(mean(VALUES), Within(low=bound)) == pytest.approx(wanted, rel=CLOSE)
        assert p_value(mean(VALUES), Within(high=bound)) == pytest.approx(wanted, rel=CLOSE)


def test_of_counts_it_is_twice_the_tail():
    wanted = 2 * oracle.binomtest(9, 10, 0.5, alternative="greater").pvalue
    assert p_value(proportion(9, 10), Within(low=0.5)) == pytest.approx(wanted, rel=1e-6)


@given(st.floats(0.9, 0.999))
def test_it_decides_at_every_smaller_level_and_at_no_larger(level):
    measured, criterion = mean(VALUES), Within(low=0.05)
    at = measured.at_level(level)
    found = p_value(measured, criterion)
    assert found is not None
    assert (at.low >= criterion.low) == (1 - level >= found)


def test_a_value_on_the_bound_is_never_decided():
    assert p_value(mean([-1.0, 1.0]), Within(low=0)) == 1
    assert p_value(mean([1.0, 1.0, 1.0]), Within(low=0)) == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("fixed", [spread([1.0, 2.0]), exact(2), Measured(1, 0, 2)])
def test_a_range_has_none(fixed):
    assert p_value(fixed, Within(low=0)) is None
    assert equivalence(fixed, 3) is None


def test_a_far_bound_of_a_ratio_overflows_nothing():
    found = p_value(geometric_mean([1.0, 5.0]), Within(high=1e300))
    assert found is not None
    assert 0 < found < 0.01


def test_two_one_sided_tests():
    margin = 0.5
    wanted = max(
        tuple(oracle.ttest_1samp(VALUES, bound, alternative=side))[1]
        for bound, side in ((-margin, "greater"), (margin, "less"))
    )
    assert equivalence(mean(VALUES), margin) == pytest.approx(wanted, rel=CLOSE)
    assert equivalence(mean(VALUES), 0.1) == 1, "the mean is outside"
    inside = mean(VALUES).at_level(0.95)
    assert (max(-inside.low, inside.high) <= margin) == (wanted <= 0.025)


def test_holm_on_an_example_by_hand():
    # sorted .005 .01 .03 .04 times 4 3 2 1: .02 .03 .06 .04, which may not fall
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_between_the_value_and_bonferroni(values):
    found = holm(values)
    for value, adjusted in zip(values, found, strict=True):
        assert value <= adjusted <= min(1, len(values) * value + 1e-15)
    order = np.argsort(values, kind="stable")
    assert (np.diff(np.asarray(found)[order]) >= 0).all()


def test_holm_errs_in_a_family_as_often_as_it_says():
    """All of ten hypotheses are true: one or more is rejected in 5 % of the families."""
    rng, times = np.random.default_rng(0), 4000
    wrong = np.mean([min(holm(rng.uniform(size=10).tolist())) < 0.05 for _ in range(times)])
    assert abs(wrong - (1 - (1 - 0.005) ** 10)) < 4 * (0.05 * 0.95 / times) ** 0.5


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda: holm([0.5, float("nan")]),
        lambda: holm([1.5]),
        lambda: equivalence(mean(VALUES), 0),
    ],
)
def test_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError, match="need"):
        nonsense()
