"""What a generator network can do to convergence, and what not: theory.matfac.convergence.

Errors are in units of rounding, eps times the size of what is added up; over 500 random draws the
worst of any law was 12 units.
"""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.laws.matfac import EPS, drawn, usable
from theory.matfac import convergence
from theory.matfac import generator_network as theory

fresh = settings(max_examples=60, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(1, 12), st.integers(1, 6), st.integers(1, 5))  # p, m, k
UNITS = 100
NARROW = st.sampled_from([(6, 5, 2, 4), (12, 3, 2, 8), (8, 8, 1, 6), (5, 9, 3, 5)])


def minimum(rows: int, columns: int, rank: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The singular values of a target of exact rank, and the Hessian at its balanced minimiser."""
    rng = np.random.default_rng(seed)
    U = np.linalg.qr(rng.normal(size=(rows, rank)))[0]
    V = np.linalg.qr(rng.normal(size=(columns, rank)))[0]
    S = np.sort(rng.uniform(0.05, 1, rank))[::-1]
    return S, convergence.hessian(*convergence.balanced(U, S, V.T))


def of_generator(state: theory.Generator, H: np.ndarray, count: int) -> np.ndarray:
    """The nonzero eigenvalues of J^T H J, descending, as those of P^(1/2) H P^(1/2)."""
    root = np.linalg.cholesky(theory.preconditioner(state))
    return np.linalg.eigvalsh(root.T @ H @ root)[::-1][:count]


@fresh
@given(NARROW, seeds)
def test_spectrum_of_the_factorisation(size, seed):
    """(4): its eigenvalues, how many they are, and their condition number."""
    rows, columns, rank, _ = size
    S, H = minimum(rows, columns, rank, seed)
    found = np.linalg.eigvalsh(H)[::-1]
    wanted = convergence.spectrum(S, rows, columns)
    assert len(wanted) == rank * (rows + columns) - rank**2
    assert np.abs(found[: len(wanted)] - wanted).max() <= UNITS * EPS * wanted[0], "(4)"
    assert np.abs(found[len(wanted) :]).max() <= UNITS * EPS * wanted[0], "r^2 zeros"
    assert wanted[0] / wanted[-1] == pytest.approx(convergence.condition(S), rel=UNITS * EPS)


@fresh
@given(NARROW, seeds)
def test_the_hessian_is_that_of_the_loss(size, seed):
    """By differences of the loss, which is a quartic: exact up to rounding for second differences
    with a symmetric step, less a term of the step's square."""
    rows, columns, rank, _ = size
    rng = np.random.default_rng(seed)
    B, A = rng.normal(size=(rows, rank)), rng.normal(size=(rank, columns))
    H, way = convergence.hessian(B, A), rng.normal(size=rank * (rows + columns))
    dA, dB = way[: A.size].reshape(A.shape), way[A.size :].reshape(B.shape)
    step = 1e-3
    f = lambda t: (((B + t * dB) @ (A + t * dA) - B @ A) ** 2).sum() / 2
    second = (f(step) + f(-step)) / step**2
    quartic = step**2 * ((dB @ dA) ** 2).sum()
    assert abs(second - way @ H @ way - quartic) <= 1e-9 * abs(second)


@fresh
@given(NARROW, seeds)
def test_a_narrow_generator_conditions_no_better(size, seed):
    """(5) for every index, and (6): m below rows + columns - 2 r."""
    rows, columns, rank, width = size
    assert width < rows + columns - 2 * rank
    S, H = minimum(rows, columns, rank, seed)
    plain = convergence.spectrum(S, rows, columns)
    state, _ = drawn((rank * (rows + columns), width, 3), "relu", seed)
    found = of_generator(state, H, len(plain))
    h = state.hidden()[0]
    level, unit = 1 + h @ h, UNITS * EPS * found[0]
    assert (found >= level * plain - unit).all(), "(5), from below"
    assert (found[width:] <= level * plain[:-width] + unit).all(), "(5), from above"
    kappa = found[0] / found[-1]
    slack = 1 - UNITS * EPS * kappa
    assert kappa >= slack * convergence.least_condition(plain, width), "(5)"
    assert kappa >= slack * plain[0] / plain[-1], "(6)"


def test_a_wide_generator_can_condition_better():
    """The counter-example to (6) without its condition: W2 spans the slow directions."""
    S, H = minimum(3, 3, 2, 0)
    plain = convergence.spectrum(S, 3, 3)
    vectors = np.linalg.eigh(H)[1][:, ::-1][:, 1 : len(plain)]  # all but the fastest
    m = vectors.shape[1]
    # K = (|z|^2 + 1) I + W1 W1^T with W1 = 0: P = (1 + |h|^2) I + 2 W2 W2^T at |z| = 1
    gains = np.sqrt((plain[0] / plain[1:] - 1) / 2 * 1.01)
    tiny = 1e-6 * np.ones(m)
    state = theory.Generator(np.array([1.0]), np.zeros((m, 1)), tiny, vectors * gains, np.zeros(12))
    found = of_generator(state, H, len(plain))
    assert m > 3 + 3 - 2 * 2
    assert found[0] / found[-1] < 1.05 < plain[0] / plain[-1]


@fresh
@given(sizes, seeds)
def test_a_generator_has_the_critical_points_of_lora(size, seed):
    """(1): J^T g is zero exactly where g is, and any theta is reached by b2 alone."""
    state, rng = drawn(size, "relu", seed)
    g = rng.normal(size=size[0])
    moved = state.step(g, 1.0)
    assert np.allclose(state.b2 - moved.b2, g, rtol=0, atol=10 * EPS * (1 + np.abs(state.b2).max()))
    still = state.step(0 * g, 1.0)
    for name in ("z", "W1", "b1", "W2", "b2"):
        assert np.array_equal(getattr(still, name), getattr(state, name))
    wanted = rng.normal(size=size[0])
    there = theory.Generator(
        state.z, state.W1, state.b1, state.W2, wanted - state.W2 @ state.hidden()[0]
    )
    unit = EPS * (np.abs(wanted) + np.abs(state.W2) @ np.abs(state.hidden()[0])).max()
    assert np.abs(there.theta() - wanted).max() <= UNITS * unit


@fresh
@given(sizes, seeds)
def test_a_generator_descends_faster_at_one_learning_rate(size, seed):
    """(2), and that from W2 = 0 it is LoRA at 1 + |h|^2 times the learning rate."""
    state, rng = drawn(size, "relu", seed)
    g, h = rng.normal(size=size[0]), state.hidden()[0]
    P = theory.preconditioner(state)
    level = (1 + h @ h) * (g @ g)
    assert g @ P @ g >= level - UNITS * EPS * np.linalg.norm(P, 2) * (g @ g), "(2)"
    start = theory.Generator(state.z, state.W1, state.b1, 0 * state.W2, state.b2)
    assert np.abs(theory.preconditioner(start) @ g - (1 + h @ h) * g).max() <= UNITS * EPS * level


@fresh
@given(st.floats(0.01, 10), st.floats(1, 20), st.floats(0.01, 3))
def test_a_longer_step_is_better_on_a_parabola_exactly_while_it_is_short(L, c, eta):
    """(3): f = L x^2 / 2 at x = 1, where the gradient is L."""
    usable(abs((1 + c) * eta * L - 2) > 1e-6)
    usable(c > 1 + 1e-6)
    after = lambda step: L * (1 - step * L) ** 2 / 2
    assert (after(c * eta) < after(eta)) == ((1 + c) * eta * L < 2)


def test_the_spectrum_follows_from_the_loss_in_symbols():
    """(4) for one entry each of B and A, and a residual direction: f = (b a - s)^2 / 2."""
    b, a, c, s = sp.symbols("b a c s", positive=True)
    # M = diag(s, 0), B = (b, c)^T, A = (a): the second row of B is normal to M
    f = ((b * a - s) ** 2 + (c * a) ** 2) / 2
    H = sp.hessian(f, (b, a, c)).subs({c: 0, b: sp.sqrt(s), a: sp.sqrt(s)})
    assert sorted(map(str, H.eigenvals(multiple=True))) == sorted(map(str, (0, s, 2 * s)))


def test_contraction_of_gradient_descent_is_that_of_its_best_learning_rate():
    """Two eigenvalues l < L at the learning rate 2 / (l + L), and no better at any other."""
    l, L = 0.2, 1.0
    factor = lambda eta: max(abs(1 - eta * l), abs(1 - eta * L))
    best = factor(2 / (l + L))
    assert convergence.contraction(L / l) == pytest.approx(best, rel=10 * EPS)
    assert all(factor(eta) >= best for eta in np.linspace(0.1, 3, 100))
