"""theory.gradient_signal.descent: the closed form against the iteration, the theorem against
rivals, and both ways in which it fails."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.laws.gradient_signal import EPS, UNITS, drawn, orthonormal, seeds
from theory.gradient_signal import descent
from theory.gradient_signal import optimum as theory


def population(seed: int) -> tuple[np.ndarray, int, np.random.Generator]:
    """M of 2 to 8 inputs, a rank, and what else is to be drawn."""
    rng = np.random.default_rng(seed)
    d = int(rng.integers(2, 9))
    Q = np.linalg.qr(rng.standard_normal((d, d))).Q
    values = np.arange(1, d + 1) ** -rng.uniform(0, 3)
    return (Q * values) @ Q.T, int(rng.integers(1, d + 1)), rng


def iterated(A: np.ndarray, M: np.ndarray, rate: float, steps: int) -> float:
    """The mean risk over the prior: the sum over the axes as targets."""
    D, B = np.eye(len(M)), np.zeros((len(M), len(A)))
    for _ in range(steps):
        B = B + rate * (D - B @ A) @ M @ A.T
    return float(np.trace((D - B @ A) @ M @ (D - B @ A).T))


@drawn
@given(seeds, st.floats(0.01, 1.9), st.integers(1, 20))
def test_the_closed_form_is_the_iteration(seed, rate, steps):
    M, rank, rng = population(seed)
    A = rng.standard_normal((rank, len(M)))
    rate = rate / theory.eigen(A @ M @ A.T)[0][0]
    # M^(1/2) from eigenvalues down to rounding: half of the digits of a small one are lost
    allowed = UNITS * steps * np.sqrt(EPS) * np.trace(M) * 1e-6 + UNITS * steps * EPS * np.trace(M)
    assert abs(descent.risk_after(A, M, rate, steps) - iterated(A, M, rate, steps)) <= allowed


@drawn
@given(seeds, st.floats(0, 1), st.integers(1, 50))
def test_no_orthonormal_rows_descend_faster(seed, rate, steps):
    """(2), against random rows and rows near EVA's; at eta = 0 all are equal."""
    M, rank, rng = population(seed)
    rate = rate / theory.eigen(M)[0][0]
    allowed = UNITS * steps * EPS * np.trace(M)
    A = theory.top(M, rank)
    least = descent.least_risk_after(M, rank, rate, steps)
    assert abs(descent.risk_after(A, M, rate, steps) - least) <= allowed
    others = [orthonormal(rank, len(M), rng) for _ in range(20)]
    for size in 10.0 ** np.arange(-7, 0):
        others.append(np.linalg.qr((A + size * rng.standard_normal(A.shape)).T).Q.T)
    assert min(descent.risk_after(other, M, rate, steps) for other in others) >= least - allowed


def test_beyond_the_largest_common_rate_the_theorem_fails():
    """(2) needs eta <= 1/lambda_1: at 2/lambda_1 EVA's first mode does not shrink at all."""
    M = np.diag([4.0, 1.0, 0.9])
    eva, other = np.eye(3)[:1], np.eye(3)[1:2]
    assert descent.risk_after(eva, M, 0.5, 5) == pytest.approx(5.9)
    assert descent.risk_after(other, M, 0.5, 5) < 5.9


@drawn
@given(seeds)
def test_whitened_rows_are_there_after_one_step(seed):
    """(3): at their own best learning rate no rows beat EVA's whitened, and EVA's do not reach them
    but where its eigenvalues are equal."""
    M, rank, _ = population(seed)
    values = theory.eigen(M)[0]
    floor, allowed = values[rank:].sum(), 1e3 * UNITS * EPS * np.trace(M)
    assert descent.least_first_risk(descent.whitened(M, rank), M) == pytest.approx(
        floor, abs=allowed
    )
    own = descent.least_first_risk(theory.top(M, rank), M)
    kept = values[:rank]
    assert own - floor == pytest.approx(
        kept.sum() - (kept**2).sum() ** 2 / (kept**3).sum(), abs=allowed
    )
    if kept[0] > 1.01 * kept[-1]:
        assert own > floor


def test_at_its_own_learning_rate_eva_is_not_the_fastest():
    """(3): of orthonormal rows either."""
    M, A = descent.even_rows()
    assert np.allclose(A @ A.T, np.eye(2), atol=4 * EPS)
    assert descent.least_first_risk(A, M) == pytest.approx(0, abs=UNITS * EPS)
    assert descent.least_first_risk(theory.top(M, 2), M) == pytest.approx(5 - 17**2 / 65)


@drawn
@given(seeds)
def test_the_best_first_learning_rate(seed):
    """(4) is the least over learning rates."""
    M, rank, rng = population(seed)
    A = rng.standard_normal((rank, len(M)))
    least = descent.least_first_risk(A, M)
    scale = 1 / theory.eigen(A @ M @ A.T)[0][0]
    risks = [descent.risk_after(A, M, rate * scale, 1) for rate in np.linspace(0, 40, 4001)]
    assert min(risks) >= least - UNITS * EPS * np.trace(M)
    assert min(risks) <= least + 1e-3 * np.trace(M)
