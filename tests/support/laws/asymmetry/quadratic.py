"""The laws of theory.asymmetry as checks: the quadratic problem and the advice from its moments."""

import numpy as np
import pytest

from theory.asymmetry import freezing
from theory.asymmetry import frozen_factor as theory

EPS = float(np.finfo(float).eps)

UNITS = 100  # worst of 600 unseen problems of every identity below: between 3 and 10 units

Array = np.ndarray


def semidefinite(
    size: int, condition: float, rng: np.random.Generator, rank: int | None = None
) -> Array:
    """Random eigenvectors, eigenvalues from 1 down to 1/condition; those beyond `rank` are 0."""
    V = np.linalg.qr(rng.standard_normal((size, size))).Q
    values = np.geomspace(1, 1 / condition, size) if size > 1 else np.ones(1)
    return (V * np.where(np.arange(size) < (size if rank is None else rank), values, 0)) @ V.T


def drawn(
    out: int, in_: int, condition: float, seed: int
) -> tuple[theory.Problem, np.random.Generator]:
    rng = np.random.default_rng(seed)
    D = rng.standard_normal((out, in_))
    return theory.Problem(
        D, semidefinite(in_, condition, rng), semidefinite(out, condition, rng)
    ), rng


def orthonormal(rows: int, columns: int, rng: np.random.Generator) -> Array:
    return np.linalg.qr(rng.standard_normal((rows, columns))).Q


def within(draws: Array, expected: float, errors: float = 4.5) -> bool:
    """Whether the mean of independent draws lies within `errors` standard errors: 7e-6 by chance
    for one mean."""
    return abs(draws.mean() - expected) <= errors * draws.std(ddof=1) / np.sqrt(len(draws))


def check_normal_equations(out: int, in_: int, rank: int, condition: float, seed: int) -> None:
    """B* and A* are stationary, and what they leave of the loss is T - III."""
    problem, rng = drawn(out, in_, condition, seed)
    D, S, H = problem
    Q, U = rng.standard_normal((rank, in_)), rng.standard_normal((out, rank))
    B, A = theory.best_B(problem, Q), theory.best_A(problem, U)
    T = theory.total(problem)
    unit = EPS * np.linalg.cond(Q @ theory.root(S)) * np.linalg.cond(U.T @ theory.root(H))
    size = np.linalg.norm(H) * np.linalg.norm(D) * np.linalg.norm(S)
    assert np.linalg.norm(H @ (D - B @ Q) @ S @ Q.T) <= UNITS * unit * size * np.linalg.norm(Q)
    assert np.linalg.norm(U.T @ H @ (D - U @ A) @ S) <= UNITS * unit * size * np.linalg.norm(U)
    assert (
        abs(theory.loss(problem, B @ Q) - (T - theory.explained_B(problem, Q))) <= UNITS * unit * T
    )
    assert (
        abs(theory.loss(problem, U @ A) - (T - theory.explained_A(problem, U))) <= UNITS * unit * T
    )
    for step in (1e-3, 1.0):
        for best, rival in (
            (B @ Q, rng.standard_normal((out, rank)) @ Q),
            (U @ A, U @ rng.standard_normal((rank, in_))),
        ):
            assert (
                theory.loss(problem, best + step * rival)
                >= theory.loss(problem, best) - UNITS * unit * T
            )


def check_span(out: int, in_: int, rank: int, condition: float, seed: int) -> None:
    """Only the span of the frozen factor counts, A-only is free of S at H = 1, and the order of the
    optima."""
    problem, rng = drawn(out, in_, condition, seed)
    Q, U, mix = (rng.standard_normal(shape) for shape in ((rank, in_), (out, rank), (rank, rank)))
    T = theory.total(problem)
    unit = EPS * np.linalg.cond(mix) * np.linalg.cond(Q) * np.linalg.cond(U) * condition
    explained = theory.explained_B(problem, Q), theory.explained_A(problem, U)
    mixed = theory.explained_B(problem, mix @ Q), theory.explained_A(problem, U @ mix)
    np.testing.assert_allclose(mixed, explained, rtol=0, atol=UNITS * unit * T)
    flat = theory.least_squares(problem.D, problem.S)
    np.testing.assert_allclose(
        theory.best_A(flat, U),
        np.linalg.pinv(U) @ problem.D,
        rtol=0,
        atol=UNITS * EPS * np.linalg.cond(U) * np.linalg.norm(problem.D) / np.linalg.svd(U)[1][-1],
    )
    both = theory.explained_both(problem, rank)
    assert max(explained) <= both * (1 + UNITS * unit) <= T * (1 + 2 * UNITS * unit)
    best = (
        theory.explained_B(problem, theory.best_Q(problem, rank)),
        theory.explained_A(problem, theory.best_U(problem, rank)),
    )
    np.testing.assert_allclose(best, both, rtol=0, atol=UNITS * EPS * condition * T)


def check_lossless(out: int, in_: int, rank: int, seed: int) -> None:
    """(9), and E III_A = (r / out) T by symmetry alone: the mean over a whole orthonormal basis
    split into columns."""
    problem, rng = drawn(out, in_, 10, seed)
    few_inputs = problem._replace(S=semidefinite(in_, 10, rng, rank))
    few_outputs = problem._replace(H=semidefinite(out, 10, rng, rank))
    Q, U = rng.standard_normal((rank, in_)), rng.standard_normal((out, rank))
    for explained, T, frozen in (
        (theory.explained_B(few_inputs, Q), theory.total(few_inputs), Q),
        (theory.explained_A(few_outputs, U), theory.total(few_outputs), U),
    ):
        assert abs(explained - T) <= UNITS * EPS * 10 * np.linalg.cond(frozen) * T
    assert theory.expected_B(few_inputs, rank) == pytest.approx(
        theory.total(few_inputs), rel=UNITS * EPS
    )
    flat = theory.least_squares(problem.D, problem.S)
    basis = orthonormal(out, out, rng)
    columns = [theory.explained_A(flat, basis[:, [j]]) for j in range(out)]
    assert np.mean(columns) == pytest.approx(theory.expected_A(flat, 1), rel=UNITS * EPS * out)


def power_law(in_: int, exponent: float) -> Array:
    return np.arange(1.0, in_ + 1) ** -exponent


def check_shares(size: int, rank: int, exponent: float) -> None:
    values = power_law(size, exponent)
    p = theory.shares(values, rank)
    assert p.sum() == pytest.approx(min(rank, size), rel=UNITS * EPS * size)
    assert ((p > 0) & (p <= 1)).all()
    assert (np.diff(p) <= EPS).all(), "larger eigenvalues have larger shares"
    # xtol of the root is 1e-14
    np.testing.assert_allclose(theory.shares(7 * values, rank), p, rtol=1e-12)
    with_zeros = theory.shares(np.append(values, 0), rank)
    np.testing.assert_array_equal(with_zeros, np.append(p, 0))


def frozen_draws(problem: theory.Problem, rank: int, count: int, seed: int) -> tuple[Array, Array]:
    """III_B and III_A over T for `count` random frozen factors."""
    rng, (out, in_) = np.random.default_rng(seed), problem.D.shape
    T = theory.total(problem)
    B = [theory.explained_B(problem, rng.standard_normal((rank, in_))) / T for _ in range(count)]
    A = [theory.explained_A(problem, rng.standard_normal((out, rank))) / T for _ in range(count)]
    return np.array(B), np.array(A)


def check_means(out: int, in_: int, rank: int, exponent: float, seed: int) -> None:
    """(5) to a tenth plus 4.5 standard errors, (6) to 4.5 standard errors, on a diagonal S without
    loss."""
    D = np.random.default_rng(seed).standard_normal((out, in_))
    problem = theory.least_squares(D, np.diag(power_law(in_, exponent)))
    B, A = frozen_draws(problem, rank, 200, seed + 1)
    T = theory.total(problem)
    assert within(A, theory.expected_A(problem, rank) / T)
    assert theory.expected_A(problem, rank) == pytest.approx(rank / out * T, rel=1e-12)
    predicted = theory.expected_B(problem, rank) / T
    assert predicted <= 1
    # Worst of 60 unseen problems of this family: 10 % at rank 1, 7 % at 2, 4 % at 4, 2 % at 8, of
    # means known to 2 %.
    assert abs(B.mean() - predicted) <= 0.1 * predicted + 4.5 * B.std(ddof=1) / np.sqrt(len(B))


def check_sign(out: int, in_: int, exponent: float, weight: float, seed: int) -> None:
    """(7) and (8): m_i = lambda_i^weight; the statistic is kappa out / Tr S, and ordered means B is
    no worse."""
    rng = np.random.default_rng(seed)
    values = power_law(in_, exponent)
    V = orthonormal(in_, in_, rng)
    columns = rng.standard_normal((out, in_))
    D = columns / np.linalg.norm(columns, axis=0) * values ** (weight / 2) @ V.T
    S = (V * values) @ V.T
    problem = theory.least_squares(D, S)
    kappa = np.trace(D @ S @ S @ D.T) / np.trace(D @ S @ D.T)
    unit = EPS * in_ * max(1, (values[0] / values[-1]) ** (1 + abs(weight)))
    statistic = theory.sign_statistic(problem)
    assert statistic == pytest.approx(kappa * out / np.trace(S), rel=UNITS * unit)
    limits = theory.far_sparse_B(problem, 1) - theory.expected_A(problem, 1)
    assert np.sign(limits) == np.sign(statistic - 1) or abs(statistic - 1) < UNITS * unit
    if theory.ordered(problem):
        for rank in range(1, min(out, in_) + 1):
            assert theory.expected_B(problem, rank) >= theory.expected_A(problem, rank) * (
                1 - UNITS * unit
            )
    if in_ <= out and weight > -1 and exponent > 0.1 and values[-1] > 1e-6:
        assert theory.ordered(problem), "c_i = lambda_i^(1 + weight) is ordered as lambda_i"


def check_advice(out: int, in_: int, rank: int, condition: float, seed: int) -> None:
    """Without noise the advice is the sign of the two expectations, whatever the unit of x, g and
    the loss."""
    problem, _ = drawn(out, in_, condition, seed)
    D, S, H = problem
    G = -H @ D @ S
    advice = freezing.which_to_freeze(S, H, (G, G), rank)
    T = theory.total(problem)
    unit = UNITS * EPS * condition**2
    expected = theory.expected_B(problem, rank) / T, theory.expected_A(problem, rank) / T
    np.testing.assert_allclose((advice.tune_b, advice.tune_a), expected, rtol=0, atol=unit)
    assert advice.sign == pytest.approx(theory.sign_statistic(problem), rel=unit)
    assert (advice.inputs, advice.errors) == (theory.participation(S), theory.participation(H))
    gain = expected[0] - expected[1]
    if abs(abs(gain) - freezing.TIE) > unit:
        assert advice.freeze == ("either" if abs(gain) < freezing.TIE else "A" if gain > 0 else "B")
    scaled = freezing.which_to_freeze(4 * S, 9 * H, (36 * G, 36 * G), rank)
    np.testing.assert_allclose(scaled[1:4], advice[1:4], rtol=unit)
    mirrored = freezing.which_to_freeze(H, S, (G.T, G.T), rank)
    assert (mirrored.tune_b, mirrored.tune_a) == pytest.approx(
        (advice.tune_a, advice.tune_b), abs=unit
    )


def check_noise(seed: int) -> None:
    """(3) of theory.asymmetry.freezing: with noise as large as G the product keeps its mean, the
    square does not."""
    problem, rng = drawn(6, 5, 10, seed)
    G = -problem.H @ problem.D @ problem.S
    exact = freezing.parts(problem.S, problem.H, (G, G))[2].sum()
    products, squares = [], []
    for _ in range(400):
        one, two = G + np.linalg.norm(G) / np.sqrt(G.size) * rng.standard_normal((2, *G.shape))
        products.append(freezing.parts(problem.S, problem.H, (one, two))[2].sum())
        squares.append(freezing.parts(problem.S, problem.H, (one, one))[2].sum())
    assert within(np.array(products), exact)
    assert not within(np.array(squares), exact)
