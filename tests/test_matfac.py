"""The laws of theory.matfac: derived from the update rule, on random generators.

Tolerances are in units of rounding, eps times the size of the terms that are added up. The largest error of any
law over 500 random generators lay between 1 and 2 units; 20 leaves room for other draws.
"""

from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from theory.matfac import derivations as derived
from theory.matfac import generator_network as theory

EPS = float(np.finfo(float).eps)
UNITS = 20
STEPS = 12
fresh = settings(max_examples=60, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(1, 12), st.integers(1, 6), st.integers(1, 5))  # p, m, k
rates = st.floats(-4, -1).map(lambda exponent: 10**exponent)
activations = st.sampled_from(["relu", "linear"])
SYMBOLS = derived.generator()
ARRAYS: Any = [np.array(x.tolist()).squeeze() for x in (SYMBOLS.z, SYMBOLS.W1, SYMBOLS.b1, SYMBOLS.W2, SYMBOLS.b2)]
AS_OBJECTS = theory.Generator(*ARRAYS, activation="linear")
G = np.array(SYMBOLS.g.tolist()).squeeze()


def drawn(size: tuple[int, int, int], activation: Any, seed: int) -> tuple[theory.Generator, np.random.Generator]:
    (p, m, k), rng = size, np.random.default_rng(seed)
    draws: Any = [rng.normal(size=shape) for shape in ((k,), (m, k), (m,), (p, m), (p,))]
    return theory.Generator(*draws, activation=activation), rng


def walk(state: theory.Generator, rng: np.random.Generator, eta: float) -> tuple[list[theory.Generator], np.ndarray]:
    """Descent with gradients that have nothing to do with a loss: (1), (2) and (8) hold for any."""
    g, states = rng.normal(size=(STEPS, len(state.b2))), [state]
    for row in g:
        states.append(states[-1].step(row, eta))
        usable(np.abs(states[-1].W2).max() < 1e6)  # a walk that explodes says nothing about rounding
    return states, g


def usable(draw: Any) -> None:
    if not draw:
        reject()


def zero(difference: Any) -> bool:
    return all(sp.expand(sp.nsimplify(entry)) == 0 for entry in np.ravel(np.array(difference)))


# --- each law, as a check that a wrong theory fails --------------------------------------------------------------


def check_one_step_symbols() -> None:
    change, part = derived.one_step_change()
    W2, h, h_next, g = (np.array(part[name].tolist()).squeeze() for name in ("W2", "h", "h_next", "g"))
    closed = theory.one_step(W2, h, h_next, g, derived.eta)
    assert zero(np.ravel(change) - closed), "(1)"


def check_expansion_symbols() -> None:
    found = derived.step_coefficients(SYMBOLS)
    closed = theory.expansion(AS_OBJECTS, G)
    assert len(found) == 4, "a cubic"
    assert zero(found[0]), "nothing moves at rate zero"
    for order in (1, 2, 3):
        assert zero(np.ravel(found[order]) - closed[order - 1]), f"(3), order {order}"


def check_drift_symbols() -> None:
    constant, linear, square = derived.invariant_changes(SYMBOLS)
    assert zero(constant), "(8)"
    assert zero(linear), "(8), gradient flow"
    assert zero(np.ravel(square) - np.append(*theory.drift(AS_OBJECTS, G, 1))), "(8), one step"


def check_steps(state: theory.Generator, rng: np.random.Generator, eta: float) -> None:
    """(1) and (2) along a walk, units switching as they like."""
    states, g = walk(state, rng, eta)
    h, theta = (np.array([f(s) for s in states]) for f in (lambda s: s.hidden()[0], theory.Generator.theta))
    # What is added up: |theta| of two states, and every (1 + h.h) g of the past.
    unit = EPS * (np.abs(theta).max() + eta * (1 + np.abs(h @ h.T).max()) * np.abs(g).sum() + reach(states))
    for t in range(STEPS):
        change = theory.one_step(states[t].W2, h[t], h[t + 1], g[t], eta)
        assert np.abs(theta[t + 1] - theta[t] - change).max() <= UNITS * unit, "(1)"
        far = theory.telescoped(state.W2, state.b2, h[: t + 1], g[:t], eta)
        assert np.abs(theta[t] - far).max() <= UNITS * unit, "(2)"


def check_expansion(state: theory.Generator, g: np.ndarray, eta: float) -> None:
    """(3) for a step in which no unit switches."""
    after = state.step(g, eta)
    usable((state.hidden()[1] == after.hidden()[1]).all())
    terms = [eta**n * term for n, term in enumerate(theory.expansion(state, g), 1)]
    unit = EPS * (np.abs(state.theta()).max() + sum(np.abs(term).max() for term in terms) + reach([state, after]))
    assert np.abs(after.theta() - state.theta() - sum(terms)).max() <= UNITS * unit, "(3)"


def check_preconditioner(state: theory.Generator) -> None:
    """(4): eigvalsh is backward stable, so an eigenvalue is off by rounding times |P|."""
    h = state.hidden()[0]
    values = np.linalg.eigvalsh(theory.preconditioner(state))
    unit = EPS * len(values) * values[-1]
    assert values[0] >= 1 + h @ h - UNITS * unit, "P >= (1 + |h|^2) I"
    assert (values > 1 + h @ h + UNITS * unit).sum() <= len(h), "at most m differ"


def check_drift(state: theory.Generator, rng: np.random.Generator, eta: float) -> None:
    """(8), each step of a walk. The invariants are differences of squares of the parameters."""
    states, g = walk(state, rng, eta)
    for before, after, row in zip(states, states[1:], g, strict=False):
        change = np.append(*theory.invariants(after)) - np.append(*theory.invariants(before))
        unit = EPS * reach([before, after]) ** 2
        assert np.abs(change - np.append(*theory.drift(before, row, eta))).max() <= UNITS * unit, "(8)"


def check_hypergradient(seed: int, sign: int) -> None:
    """(6) for two steps from W2 = 0, the second gradient agreeing with the first or opposing it.

    At eta |g| = 1e-3 the neglected terms are smaller by eta^2 |g|^2 |K|, below 1e-2 for these sizes.
    """
    state, rng = drawn((8, 6, 4), "relu", seed)
    state = theory.Generator(state.z, state.W1, state.b1, np.zeros_like(state.W2), state.b2)
    h, eta = state.hidden()[0], 1e-3
    usable(h.any())
    first = rng.normal(size=8)
    first /= np.linalg.norm(first)
    second = sign * first
    middle = state.step(first, eta)
    after = middle.step(second, eta)
    usable((middle.hidden()[1] == after.hidden()[1]).all())
    change = after.hidden()[0] - middle.hidden()[0]
    closed = theory.hidden_change(middle, h[None], first[None], second, eta)
    assert np.linalg.norm(change - closed) <= 1e-2 * np.linalg.norm(closed), "(6)"
    assert np.sign(after.hidden()[0] @ after.hidden()[0] - h @ h) == sign, "(6), the sign of g_0.g_1"


def check_counts() -> None:
    """LLaMA-7B with q, k, v, up and down adapted at rank 32: 56.1 million numbers become 1.85 thousand million."""
    shapes = 32 * ([4096 + 4096] * 3 + [4096 + 11008] * 2)
    assert sum(32 * both for both in shapes) == 56_098_816
    assert sum(theory.parameters(32 * both, 32, 32) for both in shapes) == 1_851_435_008


def check_scale() -> None:
    """(10) against its derivation, and the expected |h|_1 against draws."""
    m, k, columns = 32, 8, 100
    square = derived.mean_square_of_hidden().subs(dict(zip(sp.symbols("m k", positive=True), (m, k), strict=True)))
    ratio = theory.scale_ratio(columns, m, k) ** 2
    assert ratio == pytest.approx((1 + float(square)) / (3 * m) * 3 * columns, rel=UNITS * EPS)
    rng = np.random.default_rng(0)
    z, W1, b1 = rng.normal(size=(4000, k, 1)), *(rng.uniform(-1, 1, (4000, m, n)) / k**0.5 for n in (k, 1))
    l1 = np.maximum(W1 @ z + b1, 0).sum((1, 2))
    error = l1.std() / len(l1) ** 0.5
    # The Gaussian reading of W1 z overstates E|h|_1 a little: by 1.0 +- 0.1 % at k = 8, from 1e5 draws.
    assert abs(l1.mean() - theory.typical_l1(m, k)) <= 5 * error + 0.02 * theory.typical_l1(m, k)


def check_end_to_end(seed: int) -> None:
    """(9) at random numbers in the derived flow, whose entries are below 1e4 in size for these draws."""
    flow, theta, g = BALANCED
    w, push = np.random.default_rng(seed).normal(size=(2, 2))
    values = dict(zip([*theta, *g], [*w, *push], strict=True))
    found = np.array(flow.subs(values).tolist(), float).squeeze()
    closed = theory.end_to_end(w, push, 2)
    assert np.abs(found - closed).max() <= UNITS * EPS * (
        np.abs(closed).max() + np.linalg.norm(push) * np.linalg.norm(w)
    )


BALANCED = derived.balanced_flow()


def reach(states: list[theory.Generator]) -> float:
    """The size of what one entry of theta, or of an invariant's root, adds up."""
    largest = 0.0
    for s in states:
        parts = (s.z, s.W1, s.b1, s.W2, s.b2)
        before = np.abs(s.W1) @ np.abs(s.z) + np.abs(s.b1)
        largest = max(largest, (np.abs(s.W2) @ before).max(), before.max(), *(np.linalg.norm(part) for part in parts))
    return float(largest)


# --- the laws hold ---------------------------------------------------------------------------------------------


def test_the_derivations_give_the_closed_forms():
    check_one_step_symbols()
    check_expansion_symbols()
    check_drift_symbols()


@pytest.mark.parametrize("on", [(1, 0), (0, 0)])
def test_dead_units_leave_a_cubic_and_a_conserved_flow(on):
    """With unit j off, delta_j = h_j = 0; with all off, the step is -eta g: (7)."""
    state = derived.generator(on)
    assert all(zero(term) for term in derived.invariant_changes(state)[:2])
    if not any(on):
        coefficients = derived.step_coefficients(state)
        assert len(coefficients) == 2
        assert zero(coefficients[1] + state.g)


@fresh
@given(sizes, activations, rates, seeds)
def test_steps_and_their_telescope(size, activation, eta, seed):
    check_steps(*drawn(size, activation, seed), eta)


@fresh
@given(sizes, activations, rates, seeds)
def test_one_step_is_a_cubic(size, activation, eta, seed):
    state, rng = drawn(size, activation, seed)
    check_expansion(state, rng.normal(size=size[0]), eta)


@fresh
@given(sizes, activations, seeds)
def test_preconditioner_is_at_least_isotropic(size, activation, seed):
    check_preconditioner(drawn(size, activation, seed)[0])


@fresh
@given(sizes, activations, rates, seeds)
def test_invariants_drift_by_their_closed_form(size, activation, eta, seed):
    check_drift(*drawn(size, activation, seed), eta)


@fresh
@given(seeds, st.sampled_from([1, -1]))
def test_step_size_follows_the_agreement_of_gradients(seed, sign):
    check_hypergradient(seed, sign)


@fresh
@given(sizes, seeds, rates)
def test_a_dead_generator_is_plain_descent_on_theta(size, seed, eta):
    state, rng = drawn(size, "relu", seed)
    dead = theory.Generator(state.z, state.W1, -1 - np.abs(state.W1) @ np.abs(state.z), state.W2, state.b2)
    states, g = walk(dead, rng, eta)
    for name in ("z", "W1", "b1", "W2"):
        assert np.array_equal(getattr(states[-1], name), getattr(dead, name)), f"{name} stands still"
    plain = dead.b2.copy()
    for row in g:
        plain = plain - eta * row
    assert np.array_equal(states[-1].theta(), plain)


@fresh
@given(st.integers(1, 30), st.integers(1, 8), seeds, rates)
def test_first_step_of_adam(p, m, seed, eta):
    """(5): entries of g of order 1 leave epsilon nothing to do, and tiny ones are damped by it."""
    rng = np.random.default_rng(seed)
    h, g = np.abs(rng.normal(size=m)), rng.normal(size=p)
    g, h = g + np.sign(g), h + 1
    closed = -eta * theory.adam_multiplier(h) * np.sign(g)
    assert np.abs(theory.adam_first_step(h, g, eta) / closed - 1).max() <= 2e-8  # at most epsilon over |g| and |g h|
    assert np.abs(theory.adam_first_step(h, 1e-12 * g, eta)).max() <= 1e-3 * np.abs(closed).max() * np.abs(g).max() ** 2


@fresh
@given(seeds)
def test_balanced_linear_generator_is_the_two_layer_flow(seed):
    check_end_to_end(seed)


def test_end_to_end_rate_vanishes_at_zero_where_the_generator_keeps_it():
    """The looseness of (9): near theta = 0 one moves at |theta|, the other at least at the nominal rate."""
    w, g = np.array([1e-9, 0.0]), np.array([0.3, -0.4])
    assert np.linalg.norm(theory.end_to_end(w, g, 2)) < 1e-8
    state, _ = drawn((2, 3, 2), "relu", 0)
    assert np.linalg.norm(theory.preconditioner(state) @ g) >= np.linalg.norm(g)


def test_counts_and_scales():
    check_counts()
    check_scale()
    assert theory.scale_ratio(1024, 32, 32) == pytest.approx(14.4, abs=0.05)


@fresh
@given(st.integers(1, 8), st.integers(1, 8), st.data(), seeds)
def test_no_product_of_that_rank_is_below_the_floor(rows, columns, data, seed):
    rank, rng = data.draw(st.integers(1, min(rows, columns))), np.random.default_rng(seed)
    M = rng.normal(size=(rows, columns))
    U, S, Vh = np.linalg.svd(M, full_matrices=False)
    best = (U[:, :rank] * S[:rank]) @ Vh[:rank]
    unit = EPS * max(M.shape) * S[0] ** 2
    assert abs(((best - M) ** 2).sum() / 2 - theory.floor(M, rank)) <= UNITS * unit
    near = best + 0.1 * rng.normal(size=(rows, rank)) @ Vh[:rank]
    assert ((near - M) ** 2).sum() / 2 >= theory.floor(M, rank) - UNITS * unit
