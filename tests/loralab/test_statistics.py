"""Intervals: each covers what it says, as often as it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as oracle

from loralab.statistics import LEVEL, geometric_mean, mean, proportion, spread

TIMES = 2000
# The frequency of a hit in TIMES draws has this standard error; 4 of them are passed once in 30000
# seeds.
SLACK = 4 * (LEVEL * (1 - LEVEL) / TIMES) ** 0.5
SIZE = 6


def covered(interval, draw, truth) -> float:
    rng = np.random.default_rng(0)
    hits = [m.low <= truth <= m.high for m in (interval(draw(rng)) for _ in range(TIMES))]
    return float(np.mean(hits))


def test_the_mean_covers_the_truth_at_its_level():
    assert abs(covered(mean, lambda rng: rng.normal(3, 2, SIZE), 3) - LEVEL) < SLACK


def test_the_geometric_mean_covers_the_truth_at_its_level():
    assert (
        abs(covered(geometric_mean, lambda rng: rng.lognormal(1, 0.5, SIZE), np.e) - LEVEL) < SLACK
    )


@pytest.mark.parametrize("truth", [0.02, 0.3, 0.5, 0.9])
def test_a_proportion_covers_the_truth_at_least_at_its_level(truth):
    frequency = covered(
        lambda k: proportion(int(k), 30), lambda rng: rng.binomial(30, truth), truth
    )
    assert frequency > LEVEL - SLACK, "Clopper-Pearson is exact: never below its level"


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
    ],
)
def test_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError, match="needs"):
        nonsense()
