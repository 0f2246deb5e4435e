"""The laws of theory.asymmetry: on random problems, on `lora`'s own layers, and by Monte Carlo
with standard errors.

Tolerances of identities are in units of rounding, eps times the condition number of what is
inverted.
"""

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

import lora
from tests.support.laws.asymmetry.quadratic import (
    check_advice,
    check_lossless,
    check_means,
    check_noise,
    check_normal_equations,
    check_shares,
    check_sign,
    check_span,
    drawn,
    frozen_draws,
    orthonormal,
    power_law,
    semidefinite,
    within,
)
from tests.support.laws.asymmetry.training import (
    TRAINED,
    check_descent,
    check_excess,
    check_gaps,
    check_layer,
)
from theory.asymmetry import descent, freezing, gaps
from theory.asymmetry import frozen_factor as theory

seeds = st.integers(1000, 2**32)
sizes = st.integers(2, 12)
conditions = st.floats(0, 4).map(lambda exponent: 10**exponent)


# --- closed forms: (1) to (4) and (9) -------------------------------------------------------------


@given(out=sizes, in_=sizes, condition=conditions, seed=seeds, data=st.data())
def test_closed_forms(out, in_, condition, seed, data):
    rank = data.draw(st.integers(1, min(out, in_)))
    check_normal_equations(out, in_, rank, condition, seed)
    check_span(out, in_, rank, condition, seed)
    check_lossless(out, in_, rank, seed)


# --- the deterministic equivalent and the sign: (5) to (8) ----------------------------------------


@given(size=st.integers(1, 60), exponent=st.floats(0, 4), data=st.data())
def test_shares(size, exponent, data):
    check_shares(size, data.draw(st.integers(1, size)), exponent)


def test_shares_refuses_what_is_no_spectrum():
    for values, rank in (([1.0, -1.0], 1), ([1.0, 1.0], 0)):
        with pytest.raises(ValueError, match="rank of at least 1 and eigenvalues >= 0"):
            theory.shares(values, rank)


def test_the_equivalent_is_exact_in_the_plane():
    a, b = theory.first, theory.second
    assert sp.simplify(theory.share_in_the_plane() - sp.sqrt(a) / (sp.sqrt(a) + sp.sqrt(b))) == 0
    for ratio in (1.0, 3.0, 1e4):
        exact = theory.share_in_the_plane().subs({a: ratio, b: 1})
        assert theory.shares([ratio, 1.0], 1)[0] == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize(
    ("out", "in_", "rank", "exponent"),
    [(32, 32, 1, 1), (32, 24, 4, 2), (16, 48, 8, 1), (24, 24, 4, 0)],
)
def test_means_over_random_frozen_factors(out, in_, rank, exponent):
    check_means(out, in_, rank, exponent, 1000)


@pytest.mark.parametrize("rank", [2, 4])
def test_curvature_does_to_a_what_the_inputs_do_to_b(rank):
    """(5) with both spectra: few outputs that matter make a frozen B cheap."""
    problem, _ = drawn(24, 24, 10, 1001)
    problem = problem._replace(H=semidefinite(24, 1e3, np.random.default_rng(1002)))
    B, A = frozen_draws(problem, rank, 200, 1003)
    T = theory.total(problem)
    for draws, predicted in (
        (B, theory.expected_B(problem, rank) / T),
        (A, theory.expected_A(problem, rank) / T),
    ):
        assert abs(draws.mean() - predicted) <= 0.1 * predicted + 4.5 * draws.std(ddof=1) / np.sqrt(
            len(draws)
        )
    assert A.mean() > 1.2 * B.mean()


@given(
    out=st.integers(2, 20),
    in_=st.integers(2, 20),
    exponent=st.floats(0, 2),
    weight=st.floats(-2, 2),
    seed=seeds,
)
def test_sign_condition(out, in_, exponent, weight, seed):
    assume(abs(weight + 1) > 1e-3)
    check_sign(out, in_, exponent, weight, seed)


def test_the_theorem_without_a_condition_is_false():
    """Where D avoids what the inputs do, or in is larger than out, training A explains more at any
    d / r."""
    rng = np.random.default_rng(1004)
    for size, rank in ((64, 1), (64, 4), (16, 4)):
        # on the 8 least eigenvectors
        D = np.pad(rng.standard_normal((size, 8)), ((0, 0), (size - 8, 0)))
        avoiding = theory.least_squares(D, np.diag(power_law(size, 1)))
        wide = theory.least_squares(rng.standard_normal((size // 4, size)), np.eye(size))
        for problem in (avoiding, wide):
            B, A = frozen_draws(problem, rank, 60, 1005)
            assert (A - B).mean() > 4.5 * (A - B).std(ddof=1) / np.sqrt(len(A))
            assert theory.sign_statistic(problem) < 1


# --- descent and gradients, on the library's own layer --------------------------------------------


@pytest.mark.parametrize("trained", TRAINED)
@given(out=st.integers(3, 12), in_=st.integers(3, 12), seed=seeds)
def test_a_layer_with_one_factor_frozen(trained, out, in_, seed):
    check_layer(trained, out, in_, seed)


@given(out=st.integers(2, 10), in_=st.integers(2, 10), seed=seeds, data=st.data())
def test_descent_follows_its_closed_form(out, in_, seed, data):
    check_descent(out, in_, data.draw(st.integers(1, min(out, in_))), seed)


def test_at_first_order_the_two_are_equal():
    """(3): the mean over random frozen factors from the library's schemes, for a G with one strong
    direction."""
    rng = np.random.default_rng(1006)
    G = rng.standard_normal((24, 24)) + 5 * np.outer(
        rng.standard_normal(24), rng.standard_normal(24)
    )
    W, scheme = torch.zeros(24, 24, dtype=torch.float64), lora.SCHEMES["orthogonal"]
    rows = [scheme(W, 4, torch.Generator().manual_seed(1000 + i)).A.numpy() for i in range(2000)]
    assert within(np.array([descent.captured(G, Q) for Q in rows[:1000]]), 4 / 24)
    assert within(np.array([descent.captured(G.T, Q) for Q in rows[1000:]]), 4 / 24)


# --- exact generalisation gaps --------------------------------------------------------------------


@pytest.mark.parametrize("samples", [16, 64])
def test_gaps(samples):
    check_gaps(samples, 1007)


@pytest.mark.parametrize(("features", "samples"), [(1, 3), (2, 5), (4, 6), (8, 64)])
def test_the_excess_error_is_the_mean_of_an_inverse_wishart_matrix(features, samples):
    check_excess(features, samples)


@given(out=st.integers(2, 8), in_=st.integers(2, 8), seed=seeds)
def test_the_ratio_of_gaps_tends_to_at_least_out_over_in(out, in_, seed):
    problem, rng = drawn(out, in_, 10, seed)
    flat = theory.least_squares(problem.D, problem.S)
    Q, U = rng.standard_normal((1, in_)), orthonormal(out, 1, rng)
    ratio = gaps.gap_B(flat, Q, 0.5, 10**9) / gaps.gap_A(flat, U, 0.5, 10**9)
    # the next order is in / n
    assert ratio == pytest.approx(gaps.residual(flat, Q, 0.5) / (in_ * 0.25), rel=1e-7)
    assert ratio >= out / in_ * (1 - 1e-7)


def test_too_few_samples_are_refused():
    problem, rng = drawn(3, 4, 10, 1008)
    with pytest.raises(ValueError, match=r"more than features \+ 1 = 5 samples, got 5"):
        gaps.gap_A(problem, orthonormal(3, 1, rng), 0.5, 5)


# --- which factor to freeze -----------------------------------------------------------------------


@given(out=sizes, in_=sizes, condition=conditions, seed=seeds, data=st.data())
def test_advice(out, in_, condition, seed, data):
    check_advice(out, in_, data.draw(st.integers(1, min(out, in_))), condition, seed)


@pytest.mark.parametrize(
    ("lead", "freeze"), [(0.02, "A"), (0.005, "either"), (-0.005, "either"), (-0.02, "B")]
)
def test_shares_within_a_hundredth_are_a_tie(lead, freeze):
    """In the plane and at rank 1 the share of the first direction is sqrt(a) / (sqrt(a) +
    sqrt(b)); the errors are flat, so training A explains a half."""
    share = 0.5 + lead
    M = np.diag([share**2, (1 - share) ** 2])
    G = np.array([[1.0, 0.0], [1.0, 0.0]])
    advice = freezing.which_to_freeze(M, np.eye(2), (G, G), 1)
    assert (advice.tune_b, advice.tune_a) == pytest.approx((share, 0.5), rel=1e-9)
    assert advice.freeze == freeze


def test_noise_cancels_between_the_halves():
    check_noise(1009)


def test_gradients_without_agreement_say_either():
    problem, _ = drawn(5, 4, 10, 1010)
    G = problem.H @ problem.D @ problem.S
    advice = freezing.which_to_freeze(problem.S, problem.H, (G, -G), 2)
    assert advice.freeze == "either"
    assert (advice.tune_b, advice.tune_a, advice.sign) == (0, 0, 1)


def test_advice_refuses_shapes_that_do_not_fit():
    with pytest.raises(
        ValueError, match=r"shape \(out, in\) = \(3, 2\), got \[\(2, 3\), \(3, 2\)\]"
    ):
        freezing.which_to_freeze(np.eye(2), np.eye(3), (np.ones((2, 3)), np.ones((3, 2))), 1)
