"""The laws of theory.task_directions*: on random weights, by quadrature, and by Monte Carlo with
standard errors."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from tests.support.laws.task_directions import (
    EPS,
    check_coordinates,
    check_expected,
    check_first_step,
    check_formulas,
    check_haar,
    check_limit,
    check_overlaps,
    check_reach,
    check_rotation,
    check_traits,
    drawn,
    unit,
)
from theory.task_directions import directions as theory
from theory.task_directions import learning
from theory.task_directions import null as chance

seeds = st.integers(1000, 2**32)
sizes = st.integers(2, 24)


# --- coordinates and rates: (1), (2) --------------------------------------------------------------


@given(sizes, sizes, seeds)
def test_coordinates_are_those_along_core_bases(out, in_, seed):
    check_coordinates(out, in_, seed)


def check_invariance(out: int, in_: int, seed: int) -> None:
    """Rates do not change under joint signs of a pair, a common factor, or W -> Q W P with D -> Q D
    P."""
    W, D, rng = drawn(out, in_, seed)
    basis = theory.core(W)
    rates = theory.rates(basis, D)
    signs = rng.choice([-1, 1], min(out, in_))
    flipped = theory.Core(basis.U * signs, basis.sigma, basis.Vt * signs[:, None])
    Q, P = (chance.haar(size, size, rng) for size in (out, in_))
    for other in (
        theory.rates(flipped, D),
        theory.rates(theory.core(3 * W), 3 * D),
        theory.rates(theory.core(Q @ W @ P), Q @ D @ P),
    ):
        assert np.abs(other - rates).max() <= unit(out, in_) * rates.max()


@given(sizes, sizes, seeds)
def test_rates_belong_to_the_weight_and_not_to_its_decomposition(out, in_, seed):
    check_invariance(out, in_, seed)


@pytest.mark.parametrize("zeroed", [1, 5, 8])
def test_a_weight_of_deficient_rank_has_finite_rates(zeroed):
    W, D, _ = drawn(8, 12, 1000)
    W[:zeroed] = 0
    rates = theory.rates(theory.core(W), D)
    assert np.isfinite(rates).all()
    assert rates.any() == (zeroed < 8)


def test_a_tie_goes_to_the_earlier_direction():
    assert theory.top(np.array([1.0, 2, 2, 0]), 2).tolist() == [1, 2]
    assert theory.top(np.array([2.0, 2, 2, 2]), 2).tolist() == [0, 1]


@pytest.mark.parametrize(("s", "m"), [(0, 2), (2, 0), (5, 2), (2, 5)])
def test_an_impossible_overlap_is_refused(s, m):
    with pytest.raises(ValueError, match=f"needs 1 <= s, m <= 4, got s = {s} and m = {m}"):
        theory.overlap(np.arange(4.0), np.arange(4.0), s, m)


@given(st.integers(2, 12), st.data(), seeds)
def test_an_overlap_counts_and_is_symmetric_up_to_its_sizes(n, data, seed):
    x, y = np.random.default_rng(seed).permuted(np.tile(np.arange(n), (2, 1)), axis=1)
    s, m = data.draw(st.integers(1, n)), data.draw(st.integers(1, n))
    count = sum(1 for i in range(n) if x[i] >= n - s and y[i] >= n - m)
    assert s * theory.overlap(x, y, s, m) == pytest.approx(count, abs=1e-12 * n)
    assert s * theory.overlap(x, y, s, m) == pytest.approx(
        m * theory.overlap(y, x, m, s), abs=1e-12 * n
    )


# --- the null: (4) to (10) ------------------------------------------------------------------------


@pytest.mark.parametrize("law", ["Gaussian", "exponential"])
def test_the_formulas_are_what_the_integrals_give(law):
    q = theory.ratio
    formula = {"Gaussian": 1 + q - sp.sqrt(1 + q**2), "exponential": q / (1 + q)}[law]
    assert sp.simplify(theory.derived_overlap(law) - formula) == 0


def test_the_mean_rank_is_what_the_integral_gives():
    assert sp.simplify(theory.derived_bottom_rank() - sp.pi / 4) == 0
    assert theory.bottom_rank(8) == pytest.approx(2 * np.pi)


@given(st.floats(0.05, 20))
def test_the_formulas_agree_with_quadrature(q):
    check_formulas(q)


def test_the_published_sizes_have_the_null_that_is_stated():
    assert (
        theory.gaussian_overlap(2)
        == pytest.approx(theory.HARD_EDGE_MEAN)
        == pytest.approx(3 - 5**0.5)
    )
    assert theory.gaussian_overlap(1) == pytest.approx(2 - 2**0.5)


@pytest.mark.parametrize("q", [0.5, 1, 2])
def test_a_hard_edge_has_the_formulas_as_its_limit(q):
    check_limit(q)


@pytest.mark.parametrize("kind", ["edge", "flat", "exponential"])
def test_any_spectrum_has_the_null_that_is_predicted(kind):
    check_expected(kind, 1000)


@given(st.integers(3, 60), st.data())
def test_on_a_flat_spectrum_chance_is_m_over_n(n, data):
    s, m = (data.draw(st.integers(1, n - 1)) for _ in range(2))
    assert theory.expected_overlap(np.ones(n), s, m) == pytest.approx(m / n, abs=1e-9)


@pytest.mark.parametrize("count", [0, 2, 6])
def test_an_impossible_threshold_is_refused(count):
    with pytest.raises(ValueError, match=f"needs 2 < count < 6, got {count}"):
        theory.threshold(np.array([4.0, 3, 2, 1, 0, 0]), count)


def test_unrelated_changes_have_the_published_traits():
    check_traits(1000)


# --- the calibrated null --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
def test_a_rotated_change_has_lost_its_place_and_kept_its_size(shape):
    check_rotation(shape[0], shape[1], 1000)


def test_a_haar_matrix_is_uniform():
    check_haar(1000)


def test_an_overlap_comes_with_its_null():
    check_overlaps(1000)


@pytest.mark.parametrize(
    ("value", "null", "spread", "lift", "z"),
    [
        (0.5, 0.25, 0.125, 1 / 3, 2),
        (0.25, 0.5, 0.125, -0.5, -2),
        (1, 1, 0, 0, 0),
        (0.5, 0.25, 0, 1 / 3, np.inf),
        (0.25, 0.5, 0, -0.5, -np.inf),
    ],
)
def test_lift_and_z(value, null, spread, lift, z):
    found = chance.Overlap(value, null, spread)
    assert (found.lift, found.z) == (pytest.approx(lift), z)


def test_recall_is_of_the_true_ones():
    """Four true directions, of which two are among the eight foretold; the foretold four are no
    part of it."""
    n = 20
    basis = theory.Core(np.eye(n), np.ones(n), np.eye(n))
    true = np.diag(np.r_[np.arange(n, n - 4, -1.0), np.zeros(n - 4)])
    foretold = np.diag(np.r_[9.0, 8, 0, 0, np.arange(20, 14, -1), np.zeros(n - 10)])
    null = chance.rotated(true, 5, np.random.default_rng(0))
    assert chance.overlaps(basis, foretold, true, null, "abs")["4 in 8"].value == 0.5


def test_an_impossible_null_is_refused():
    W, D, rng = drawn(12, 20, 1000)
    with pytest.raises(ValueError, match="at least 2 draws, got 1"):
        chance.rotated(D, 1, rng)
    with pytest.raises(ValueError, match="at least 16 directions, got 12"):
        chance.overlaps(theory.core(W), D, D, chance.rotated(D, 2, rng), "rate")


# --- first steps and what can be reached ----------------------------------------------------------


@pytest.mark.parametrize("law", ["uniform", "normal"])
def test_the_first_step_is_a_sketch_of_the_gradient(law):
    check_first_step(law, 1000)


def test_a_scale_moves_faster_than_lora_by_the_formula():
    """(4) is one over the factor of (1)."""
    W, G, _ = drawn(7, 16, 1000)
    basis = theory.core(W)
    ratio = theory.coordinates(basis, G) / -learning.first_step_mean(G, basis, 4, 2.0)
    np.testing.assert_allclose(ratio, learning.speed_up(16, 4, 2.0), rtol=100 * EPS)
    assert learning.speed_up(4096, 32, 2.0) == 96
    assert learning.speed_up(4096, 4, 2.0) == 768


@given(sizes, sizes, st.integers(1, 5), seeds)
def test_what_a_start_can_reach(out, in_, rank, seed):
    check_reach(out, in_, min(rank, out, in_), seed)


def test_a_start_that_the_task_undoes_is_free_and_another_costs():
    """(7) is 0 for D = -W_I at any rank, and all of D where W_I takes up every rank that D would
    need."""
    W, _, _ = drawn(10, 10, 1000)
    basis = theory.core(W)
    part = (basis.U[:, 3:6] * basis.sigma[3:6]) @ basis.Vt[3:6]
    assert learning.reach(-part, 1, part) <= 100 * EPS
    other = (basis.U[:, :3] * basis.sigma[:3]) @ basis.Vt[:3]
    assert learning.reach(part, 3, other) == pytest.approx(1, abs=100 * EPS)
    assert learning.reach(part, 3) <= 100 * EPS


@pytest.mark.parametrize(
    ("carried", "directions", "rank"), [(False, 0, 4), (True, 0, 8), (False, 8, 12), (True, 8, 16)]
)
def test_the_rank_of_the_change(carried, directions, rank):
    assert learning.change_rank(4, carried, directions) == rank
