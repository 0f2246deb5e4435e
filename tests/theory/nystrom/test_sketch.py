"""theory.nystrom.sketch: first changes of a weight, and the randomised decomposition."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.laws.nystrom import EPS, UNITS, drawn, ranks, seeds
from theory.nystrom import iterations as run
from theory.nystrom import sketch


@drawn
@given(seed=seeds, rank=ranks, xi=st.floats(1e-3, 1e3))
def test_first_changes_scale_as_stated(seed, rank, xi):
    rng = np.random.default_rng(seed)
    G, A = rng.standard_normal((12, 10)), rng.standard_normal((rank, 10))
    allowed = UNITS * EPS * np.linalg.cond(A)
    for change, exponent in ((sketch.gradient_change, 2), (sketch.preconditioned_change, 0)):
        expected = xi**exponent * change(G, A)
        assert np.linalg.norm(change(G, xi * A) - expected) <= allowed * np.linalg.norm(expected)
    literal = G @ A.T @ np.linalg.inv(A @ A.T) @ A
    assert np.linalg.norm(sketch.preconditioned_change(G, A) - literal) <= allowed * np.linalg.cond(
        A
    ) * np.linalg.norm(G)


@drawn
@given(seed=seeds, rank=ranks, xi=st.floats(0.1, 1e3))
def test_the_released_change_follows_the_signs_of_the_preconditioned_one(seed, rank, xi):
    """(3): each row a sum of A's rows with the signs that (2) has, so proportional to xi and free
    of the size of G."""
    rng = np.random.default_rng(seed)
    G, A = rng.standard_normal((12, 10)), rng.standard_normal((rank, 10))
    coefficients = sketch.preconditioned_change(G, A) @ np.linalg.pinv(A)
    # the released 1e-6 on the diagonal decides the sign of what it is larger than alone
    floor = np.abs(coefficients).min() / np.abs(coefficients).max()
    assume(floor > 1e-5 * np.linalg.norm(np.linalg.inv(A @ A.T), 2) / min(xi, 1) ** 2)
    expected = xi * np.sign(coefficients) @ A
    for size in (1.0, 1e-3):
        change = sketch.released_change(size * G, xi * A)
        assert np.abs(change - expected).max() <= UNITS * EPS * np.abs(expected).max()


@pytest.mark.parametrize("size", [200, 600])
def test_a_spiked_weight_is_spikes_above_a_bulk(size):
    spikes = 8 * np.arange(1, min(128, size // 4) + 1) ** -0.7
    W = sketch.spiked_weight(size, np.random.default_rng(1000))
    S = np.linalg.svd(W, compute_uv=False)
    # Weyl: the bulk, half of a spectral norm of 2 up to the size^-2/3 of its edge, moves each by
    # no more
    edge = 1 + 3 * size ** (-2 / 3)
    assert (np.abs(S[: len(spikes)] - spikes) <= edge).all()
    assert S[len(spikes)] <= edge
    # size^2 / (4 size) by the bulk, and a product of the two of mean 0 and variance |spikes|^2 /
    # (4 size)
    square = (S**2).sum() - size / 4 - (spikes**2).sum()
    error = 2 * np.sqrt((spikes**2).sum() / (4 * size)) + np.sqrt(1 / 8)
    assert abs(square) <= 5 * error


@drawn
@given(seed=seeds, rank=ranks)
def test_randomised_decomposition_is_exact_within_the_rank(seed, rank):
    W, _, S, _ = run.target(30, 20, rank, 100.0, seed)
    U, s, Vt = sketch.randomized_svd(W, rank, 4, 1, np.random.default_rng([seed, 6]))
    np.testing.assert_allclose(s, S, rtol=UNITS * EPS * 100)
    assert np.linalg.norm((U * s) @ Vt - W) <= UNITS * EPS * np.linalg.norm(W)
