"""theory.nystrom.truncated: identities, and the iteration with too few columns."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from tests.support.laws.nystrom import (
    check_range_finder,
    conditions,
    drawn,
    ranks,
    seeds,
    sketched,
)
from theory.nystrom import iterations as run
from theory.nystrom import truncated
from theory.nystrom.symmetric import eta, rho


@drawn
@given(rank=ranks, condition=conditions, seed=seeds)
def test_law(rank, condition, seed):
    check_range_finder(rank, condition, seed)


def test_truncated_identities():
    kept, lost = 1 - 2 * eta, (1 - eta) + eta * rho
    assert {sp.expand(f) for f in truncated.symmetric_factors()} == {
        sp.expand(kept),
        sp.expand(lost),
    }
    expected = {1, sp.expand(kept), sp.expand(lost), sp.expand((1 - eta) - eta * rho)}
    assert {sp.expand(f) for f in truncated.asymmetric_factors()} == expected
    at_one = {sp.simplify(f.subs(eta, 1)) for f in truncated.asymmetric_factors(alternating=True)}
    assert at_one == {0, 1, rho**2}
    assert {sp.simplify(f.subs(eta, 1)) for f in truncated.asymmetric_factors()} == {
        1,
        -1,
        rho,
        -rho,
    }


@drawn
@given(gap=st.floats(0.3, 0.9), seed=seeds, step_size=st.sampled_from([0.5, 0.7, 0.9]))
def test_rate_below_the_rank(gap, seed, step_size):
    spectrum = np.array([1, 0.5, *(0.5 * gap * np.array([1, 0.5, 0.2]))])
    Q = run.orthonormal(12, 5, np.random.default_rng(seed))
    A, best = (Q * spectrum) @ Q.T, (Q[:, :2] * spectrum[:2]) @ Q[:, :2].T
    errors = run.errors(best, run.symmetric_run(A, sketched(A, 2, seed), step_size, 2), 1000, 1e-9)
    # Worst of 600 draws 2 %, at eta = 0.9 and a gap near 0.78, where both candidates for the
    # slowest mode tie.
    assert (errors[-1] / errors[-6]) ** 0.2 == pytest.approx(
        truncated.rate(step_size, gap), rel=0.05
    )
