"""The exact null of theory.task_directions.finite against enumeration, draws and its limit."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.task_directions import directions as theory
from theory.task_directions import finite

LAWS = {
    "Gaussian": (theory.half_normal, lambda rng, shape: np.abs(rng.standard_normal(shape))),
    "exponential": (theory.exponential, lambda rng, shape: rng.exponential(size=shape)),
}
EXACT = 1e-6  # worst seen of 300 spectra: see finite.STEP, finite.NEGLIGIBLE


def spectra(kind: str, n: int) -> np.ndarray:
    k = np.arange(n, 0, -1)
    return {"edge": k / n, "flat": np.ones(n), "root": np.sqrt(k / n), "steep": np.exp(k / 4)}[kind]


@given(st.lists(st.floats(0.05, 20), min_size=2, max_size=6), st.data())
def test_exponential_rates_are_ranked_as_a_race(sigma, data):
    """The rates g / sigma of exponential g are clocks of rates sigma: the chance of an order, from
    the last to ring to the first, is a product. Summed over the orders it is p_i(s)."""
    values = np.sort(np.array(sigma))[::-1]
    n = len(values)
    count = data.draw(st.integers(1, n - 1))
    expected = np.zeros(n)
    for order in itertools.permutations(range(n)):  # order[0] rings first, with the smallest rate
        chance = math.prod(values[order[k]] / values[list(order[k:])].sum() for k in range(n))
        expected[list(order[n - count :])] += chance
    found = finite.inclusion(values, count, theory.exponential)
    np.testing.assert_allclose(found, expected, atol=EXACT)


@pytest.mark.parametrize("kind", ["edge", "flat", "root", "steep"])
@pytest.mark.parametrize("law", LAWS)
def test_the_exact_null_is_the_mean_of_draws(kind, law):
    survival, draw = LAWS[law]
    n, s, m, draws = 40, 4, 7, 4000
    sigma = spectra(kind, n)
    rates = draw(np.random.default_rng(1000), (draws, 2, n)) / sigma
    overlaps = np.array([theory.overlap(x, y, s, m) for x, y in rates])
    first = np.array([theory.top(x, s) for x, _ in rates])
    places = (n - 1 - first).mean(1)
    logs = np.log(-np.sort(-rates[:, 0], axis=1))[:, [0, s - 1, m - 1]]
    for values, exact in (
        (overlaps, finite.exact_overlap(sigma, s, m, survival)),
        (places, finite.exact_bottom_rank(sigma, s, survival)),
        *zip(logs.T, finite.mean_logs(sigma, [1, s, m], survival), strict=True),
    ):
        error = values.std(ddof=1) / draws**0.5
        assert abs(values.mean() - exact) <= 4.5 * error + EXACT * abs(exact)


@given(st.integers(5, 60), st.data())
def test_as_many_are_chosen_as_are_asked_for(n, data):
    s = data.draw(st.integers(1, n - 1))
    sigma = spectra(data.draw(st.sampled_from(["edge", "flat", "root", "steep"])), n)
    chosen = finite.inclusion(sigma, s)
    assert chosen.sum() == pytest.approx(s, rel=EXACT)
    assert (np.diff(chosen) >= -1e-6).all(), "the smaller sigma, the more often"


@pytest.mark.parametrize("q", [1, 2])
def test_the_formula_with_mean_counts_is_its_limit(q):
    """The gap to theory.task_directions.directions (4) shrinks like 1 / s."""
    sigma = spectra("edge", 2000)
    gaps = [
        theory.expected_overlap(sigma, s, q * s) - finite.exact_overlap(sigma, s, q * s)
        for s in (16, 64)
    ]
    assert 0 < gaps[1] < gaps[0] < 0.005
    assert gaps[0] / gaps[1] == pytest.approx(4, rel=0.15)


def test_the_null_of_the_published_sizes_depends_on_the_law_and_on_the_edge():
    edge = spectra("edge", 256)
    assert finite.exact_overlap(edge, 8, 16) == pytest.approx(0.740, abs=1e-3)
    assert finite.exact_overlap(np.sqrt(edge), 8, 16) == pytest.approx(0.459, abs=1e-3)
    assert finite.exact_overlap(np.ones(64), 8, 16) == pytest.approx(1 / 4, rel=EXACT)
