"""theory.nystrom.sketch: first changes of a weight, and the randomised decomposition."""

import numpy as np
from hypothesis import given
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
@given(seed=seeds, rank=ranks)
def test_randomised_decomposition_is_exact_within_the_rank(seed, rank):
    W, _, S, _ = run.target(30, 20, rank, 100.0, seed)
    U, s, Vt = sketch.randomized_svd(W, rank, 4, 1, np.random.default_rng([seed, 6]))
    np.testing.assert_allclose(s, S, rtol=UNITS * EPS * 100)
    assert np.linalg.norm((U * s) @ Vt - W) <= UNITS * EPS * np.linalg.norm(W)
