"""Intervals agree with scipy's, move with their data, and can be had at every level."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as oracle

from loralab.claims import Measured
from loralab.statistics import (
    LEVEL,
    clustered,
    exact,
    geometric_mean,
    mean,
    proportion,
    resplit_geometric_mean,
    resplit_mean,
    spread,
)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_proportion_agrees_with_scipy(counts):
    wanted = oracle.binomtest(*counts).proportion_ci(LEVEL)
    found = proportion(*counts)
    # Both invert the same distribution, scipy's by a root finder that stops at about 1e-12 of the
    # root.
    np.testing.assert_allclose(
        [found.low, found.high], [wanted.low, wanted.high], rtol=1e-9, atol=1e-12
    )


draws = st.lists(st.floats(-100, 100), min_size=2, max_size=9).filter(lambda x: np.ptp(x) > 1e-3)


@given(draws)
def test_the_mean_agrees_with_scipy(values):
    wanted = oracle.t.interval(LEVEL, len(values) - 1, np.mean(values), oracle.sem(values))
    found = mean(values)
    # Rounding in a mean of numbers below 100, over a spread of 1e-3, costs 1e5 eps; the quantile
    # adds 1e-12.
    np.testing.assert_allclose([found.low, found.high], wanted, rtol=1e-10, atol=1e-10)


@given(draws)
def test_a_spread_is_the_whole_range(values):
    found = spread(values)
    assert (found.low, found.high) == (min(values), max(values))
    assert (
        sum(x <= found.value for x in values)
        >= len(values) / 2
        <= sum(x >= found.value for x in values)
    )


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=9), st.floats(0.01, 100))
def test_a_geometric_mean_scales_with_its_draws(values, factor):
    one, other = geometric_mean(values), geometric_mean([factor * x for x in values])
    # Logarithms below 10 rounded at eps, then raised: 10 eps, times the number of draws and the
    # quantile (12.7).
    np.testing.assert_allclose(other.low / one.low, factor, rtol=1e-11)
    np.testing.assert_allclose(other.high / one.high, factor, rtol=1e-11)


def test_splits_of_one_data_set_add_the_share_of_the_test_to_the_variance():
    # Nadeau and Bengio: 1/J + test/train = 1/4 + 1/2 in place of 1/4
    values = [1.0, 2.0, 4.0, 4.5]
    half, corrected = (
        found.high - found.value for found in (mean(values), resplit_mean(values, 100, 50))
    )
    assert corrected / half == pytest.approx(3**0.5, rel=1e-12)
    logs = resplit_mean(np.log(values).tolist(), 100, 50)
    raised = resplit_geometric_mean(values, 100, 50)
    np.testing.assert_allclose(np.log([raised.low, raised.high]), [logs.low, logs.high], rtol=1e-12)


def test_the_cases_of_a_cluster_count_once():
    few, many = ([[0.1] * size, [0.7] * size, [0.4] * size] for size in (1, 50))
    one, other = clustered(few), clustered(many)
    np.testing.assert_allclose([one.low, one.high], [other.low, other.high], rtol=1e-12)


def test_answers_in_clusters_that_agree_are_worth_one_case_each():
    same = clustered([[1] * 6, [0] * 6, [1] * 6, [1] * 6])
    wide = proportion(3, 4)
    assert same.low <= wide.low + 0.02
    assert same.high >= wide.high - 0.02
    assert clustered([[1] * 6] * 4).high == 1
    assert clustered([[1] * 6] * 4).low < proportion(24, 24).low, (
        "no cluster differs: still a doubt"
    )


@pytest.mark.parametrize(
    "measured",
    [
        mean([1.0, 2.0, 4.0]),
        geometric_mean([1.0, 2.0, 4.0]),
        proportion(3, 10),
        proportion(0, 10),
        clustered([[1, 0], [1, 1], [0, 0]]),
        clustered([[1.0, 0.2], [1.0, 3.0]]),
        resplit_mean([1.0, 2.0, 4.0], 20, 10),
    ],
)
def test_a_higher_level_is_wider_around_the_same_value(measured: Measured):
    assert measured.level == LEVEL
    assert measured.design
    assert measured.draws > 1
    last = measured.at_level(0.5)
    for level in (0.9, LEVEL, 0.975, 0.9875, 0.999):
        here = measured.at_level(level)
        assert here.low <= last.low <= measured.value <= last.high <= here.high
        assert (here.low, here.high) != (last.low, last.high)
        assert here.level == level
        last = here
    assert measured.at_level(LEVEL) == measured


@pytest.mark.parametrize("fixed", [spread([1.0, 2.0, 4.0]), exact(3)])
def test_a_range_and_an_exact_number_have_one_level(fixed: Measured):
    assert fixed.at_level(0.9875) == fixed
    assert fixed.level == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda: proportion(3, 2),
        lambda: proportion(-1, 2),
        lambda: proportion(0, 0),
        lambda: mean([1.0]),
        lambda: mean([[1.0, 2.0], [3.0, 4.0]]),  # type: ignore[list-item]
        lambda: geometric_mean([1.0, 0.0]),
        lambda: geometric_mean([1.0, float("nan")]),
        lambda: clustered([[1.0], []]),
        lambda: clustered([[1.0]]),
        lambda: resplit_mean([1.0, 2.0], 0, 5),
        lambda: resplit_mean([1.0], 10, 5),
        lambda: resplit_geometric_mean([1.0, -1.0], 10, 5),
    ],
)
def test_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError, match="needs"):
        nonsense()
