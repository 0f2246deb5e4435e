"""The laws of theory.nystrom, each as a check that a planted fault must fail: the running iteration
against the closed forms.

Tolerances are in units of rounding, eps times the condition number of what is inverted. The worst
deviation of any law over 3600 problems of condition number 10, 1e3 and 1e5 was 5.5 units; 100
leaves room for harder draws.
"""

import itertools

import numpy as np
import sympy as sp
from hypothesis import settings
from hypothesis import strategies as st

from theory.nystrom import asymmetric, symmetric, truncated
from theory.nystrom import iterations as run

EPS = float(np.finfo(float).eps)
UNITS = 100
eta, sigma = symmetric.eta, symmetric.sigma
P, L, E, K = symmetric.P, symmetric.L, symmetric.E, symmetric.K

drawn = settings(max_examples=60, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**32 - 1)
ranks = st.integers(1, 6)
conditions = st.floats(0, 5).map(lambda exponent: 10**exponent)
step_sizes = st.floats(0.05, 0.95)


def same(left: sp.Expr, right: sp.Expr) -> bool:
    return sp.expand(left - right) == 0


def sketched(A: np.ndarray, rank: int, seed: int) -> np.ndarray:
    """A Nyström sketch of A."""
    return A @ np.random.default_rng([seed, 1]).standard_normal((A.shape[1], rank))


def unit(X: np.ndarray, rank: int) -> float:
    return EPS * run.condition_number(X, rank)


def after(iterates, steps: int):
    return next(itertools.islice(iterates, steps, None))


def check_symmetric_identities() -> None:
    """(2) to (5) and (9) of theory.nystrom.symmetric."""
    assert same(
        symmetric.next_gram(), (1 - eta) ** 2 * P + 2 * eta * (1 - eta) * L + eta**2 * L * P**-1 * L
    )
    assert same(symmetric.next_residual(), E * P**-1 * E / 4)
    assert same(symmetric.whitened_multiplier(), (1 - eta) + eta * K**-1)
    assert same(symmetric.next_sigma(), (1 - eta) * sigma + eta / sigma)
    assert symmetric.outside_factor() == 1 - eta
    q = sp.Symbol("q")
    assert sp.simplify(symmetric.next_cayley() - q**2) == 0
    y_next = sp.expand(symmetric.next_sigma().subs(eta, sp.Rational(1, 2))) ** 2
    assert sp.simplify(y_next - 1 - (sigma**2 - 1) ** 2 / (4 * sigma**2)) == 0


def check_polar_map(rank: int, condition: float, seed: int) -> None:
    """(3) and (4) of theory.nystrom.symmetric on one step with eta = 1/2."""
    A, Q, spectrum = run.symmetric_target(3 * rank + 4, rank, condition, seed)
    X = sketched(A, rank, seed)
    X_next = run.symmetric_step(A, X, 0.5, rank)
    W, W_next = symmetric.whitened(Q, spectrum, X), symmetric.whitened(Q, spectrum, X_next)
    allowed = UNITS * unit(X, rank)
    expected = (W + np.linalg.pinv(W).T) / 2
    assert np.linalg.norm(W_next - expected) <= allowed * np.linalg.norm(expected)
    s, s_next = (np.linalg.svd(w, compute_uv=False) for w in (W, W_next))
    np.testing.assert_allclose(np.sort(s_next), np.sort(symmetric.sigma_after(s, 1)), rtol=allowed)
    gram, residual, residual_next = (
        Q.T @ m @ Q for m in (X @ X.T, X @ X.T - A, X_next @ X_next.T - A)
    )
    # E P^-1 E / 4 without the squared condition number of P
    half = np.linalg.pinv(Q.T @ X) @ residual / 2
    expected = half.T @ half
    size = np.linalg.norm(expected) + np.linalg.norm(spectrum)
    assert np.linalg.norm(residual_next - expected) <= allowed * size
    assert np.linalg.eigvalsh(residual_next).min() >= -allowed * np.linalg.norm(gram), (
        "P_t >= L from the first step on"
    )


def check_limit(rank: int, condition: float, seed: int) -> None:
    """(6) of theory.nystrom.symmetric."""
    A, Q, spectrum = run.symmetric_target(3 * rank + 4, rank, condition, seed)
    X = sketched(A, rank, seed)
    end = after(run.symmetric_run(A, X, 0.5, rank), 60)
    limit = symmetric.limit(Q, spectrum, X)
    assert np.linalg.norm(end - limit) <= UNITS * unit(X, rank) * np.linalg.norm(limit)


def check_closed_form(rank: int, condition: float, seed: int) -> None:
    """(5) of theory.nystrom.symmetric: the error at every step, and (7): enough steps."""
    A, Q, spectrum = run.symmetric_target(3 * rank + 4, rank, condition, seed)
    X = sketched(A, rank, seed)
    errors = run.errors(A, run.symmetric_run(A, X, 0.5, rank), 40)
    law = [symmetric.error_after(Q, spectrum, X, t) for t in range(41)]
    # An error above one scales rounding up; later it is what rounding leaves of a matrix of norm
    # one.
    np.testing.assert_allclose(errors, law, rtol=UNITS * unit(X, rank), atol=UNITS * unit(X, rank))
    accuracy = 1e-8
    steps = run.first_below(errors, accuracy)
    assert steps is not None
    assert steps <= symmetric.steps_bound(symmetric.distance(Q, spectrum, X), accuracy)


def check_scalar_law(
    rank: int, condition: float, seed: int, columns: int | None = None, step_size: float = 0.5
) -> None:
    """(3) of theory.nystrom.asymmetric: ||X_t Y_t^T - A|| / ||A|| = |d_t - 1|."""
    A, *_ = run.target(4 * rank + 4, 3 * rank + 2, rank, condition, seed)
    X = sketched(A, columns or rank, seed)
    errors = run.errors(A, run.zero_product_run(A, X, step_size, rank), 10)
    law = np.abs(asymmetric.scalar_law(step_size, 10) - 1)
    np.testing.assert_allclose(errors, law, rtol=0, atol=UNITS * unit(X, rank))


def check_leak(rank: int, condition: float, seed: int, step_size: float = 0.5) -> None:
    """(9) of theory.nystrom.symmetric: the part outside range(A), and the bound that follows."""
    A, Q, _ = run.symmetric_target(3 * rank + 4, rank, condition, seed)
    X = sketched(A, rank, seed) + 0.1 * np.random.default_rng([seed, 2]).standard_normal(
        (3 * rank + 4, rank)
    )
    size = np.linalg.norm(X - Q @ (Q.T @ X))
    for t, iterate in enumerate(itertools.islice(run.symmetric_run(A, X, step_size, rank), 12)):
        outside = np.linalg.norm(iterate - Q @ (Q.T @ iterate))
        allowed = UNITS * unit(X, rank) * max(1, float(np.linalg.norm(iterate)))
        assert abs(outside - (1 - step_size) ** t * size) <= allowed
        error = np.linalg.norm(iterate @ iterate.T - A)
        assert error >= symmetric.outside_bound(
            Q, X, iterate, step_size, t
        ) - allowed * np.linalg.norm(iterate)


def check_block_maps(rank: int, condition: float, seed: int, step_size: float = 0.5) -> None:
    """(1) and (2) of theory.nystrom.asymmetric, and that the sign of the determinant never
    changes."""
    A, U, S, V = run.target(4 * rank + 4, 3 * rank + 2, rank, condition, seed)
    rng = np.random.default_rng([seed, 3])
    x, y = rng.standard_normal((2, rank, rank))
    X, Y = U @ x, V @ y
    before = asymmetric.block(U, S, V, X, Y)
    inverse = np.linalg.inv(before)
    one = np.eye(rank)
    simultaneous = (
        (1 - step_size) ** 2 * before
        + 2 * step_size * (1 - step_size) * one
        + step_size**2 * inverse
    )
    alternating = one + (1 - step_size) ** 2 * (before - one)
    size = np.linalg.norm(before) + np.linalg.norm(inverse) + 1
    allowed = UNITS * EPS * condition * np.linalg.cond(x) * np.linalg.cond(y) * size
    moved = asymmetric.block(U, S, V, *run.simultaneous_step(A, X, Y, step_size, rank))
    assert np.linalg.norm(moved - simultaneous) <= allowed
    swept = asymmetric.block(U, S, V, *run.alternating_step(A, X, Y, step_size, rank))
    assert np.linalg.norm(swept - alternating) <= allowed
    signs = np.sign([np.linalg.det(before), np.linalg.det(moved)])
    assert signs[0] == signs[1] or np.linalg.svd(moved, compute_uv=False)[-1] <= allowed


def check_first_step(rank: int, condition: float, seed: int, step_size: float = 0.5) -> None:
    """(5) and (6) of theory.nystrom.asymmetric: a zero product and any X_0."""
    A, U, S, V = run.target(4 * rank + 4, 3 * rank + 2, rank, condition, seed)
    X = np.random.default_rng([seed, 4]).standard_normal((len(A), rank))
    pair = run.first_step(A, X, step_size, rank)
    allowed = UNITS * EPS * condition * run.condition_number(X, rank)
    eigenvalues = np.sort(
        np.linalg.eigvals(np.diag(S) @ asymmetric.block(U, S, V, *pair) @ np.diag(1 / S)).real
    )
    np.testing.assert_allclose(
        eigenvalues, asymmetric.first_step_eigenvalues(U, X, step_size), rtol=0, atol=allowed
    )
    law = asymmetric.first_step_error(A, X, step_size)
    np.testing.assert_allclose(run.relative_error(A, *pair), law, rtol=allowed)


def check_range_finder(rank: int, condition: float, seed: int) -> None:
    """(4) and (5) of theory.nystrom.truncated, with `rank` columns for a target of three more."""
    full = rank + 3
    A, *_ = run.target(4 * full, 3 * full, full, min(condition, 1e3), seed)
    X = sketched(A, rank, seed)
    X, Y = run.first_step(A, X, 1.0, rank)
    allowed = UNITS * unit(X, rank)
    assert np.linalg.norm(X @ Y.T - truncated.range_finder(A, X)) <= allowed * np.linalg.norm(A)
    assert truncated.weak_optimality_gap(A, X, Y) <= allowed * min(condition, 1e3)


def check_asymmetric_leak(rank: int, condition: float, seed: int, step_size: float = 0.5) -> None:
    """(7) of theory.nystrom.asymmetric: from (X_0, 0) with any X_0, the part outside range(A) and
    the bound that follows."""
    A, U, *_ = run.target(4 * rank + 4, 3 * rank + 2, rank, condition, seed)
    X_0 = np.random.default_rng([seed, 7]).standard_normal((len(A), rank))
    size = np.linalg.norm(X_0 - U @ (U.T @ X_0))
    law = asymmetric.outside_law(step_size, 8)
    iterates = itertools.islice(run.zero_product_run(A, X_0, step_size, rank), 9)
    for t, (X, Y) in enumerate(iterates):
        # Y inherits the condition of A, and each step inverts both factors
        allowed = UNITS * EPS * run.condition_number(X, rank) * max(1, float(np.linalg.norm(X)))
        if t:
            allowed *= run.condition_number(Y, rank)
        outside = np.linalg.norm(X - U @ (U.T @ X))
        assert abs(outside - law[t] * size) <= allowed
        if t:
            bound = asymmetric.outside_bound(U, X_0, Y, step_size, t)
            error = np.linalg.norm(X @ Y.T - A)
            assert error >= bound - allowed * np.linalg.norm(Y)


def check_sketch_in_the_range(rank: int, condition: float, seed: int) -> None:
    """(7): a sketch of M reaches 1e-8 in five steps where range(M) lies in range(A), and keeps the
    linear rate where M has one direction more."""
    A, U, *_ = run.target(4 * rank + 4, 3 * rank + 2, rank, min(condition, 1e2), seed)
    rng = np.random.default_rng([seed, 8])
    inside = U @ rng.standard_normal((rank, 2 * rank + 2))
    beyond = rng.standard_normal((len(A), 1)) @ rng.standard_normal((1, 2 * rank + 2))
    Omega = rng.standard_normal((2 * rank + 2, rank))
    for M, quick in ((inside, True), (inside + beyond, False)):
        errors = run.errors(A, run.zero_product_run(A, M @ Omega, 0.5, rank), 12)
        # |d_5 - 1| = 2.3e-12, and 1e-8 leaves room for the rounding of an ill-conditioned sketch
        if quick:
            assert errors[5] < 1e-8
        else:
            assert errors[5] > 1e-8
