"""The laws of theory.matfac: derived from the update rule, on random generators.

Tolerances are in units of rounding, eps times the size of the terms that are added up. The largest
error of any law over 500 random generators lay between 1 and 2 units; 20 leaves room for other
draws.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.laws.matfac import (
    AS_OBJECTS,
    EPS,
    SYMBOLS,
    UNITS,
    G,
    check_counts,
    check_drift,
    check_end_to_end,
    check_expansion_symbols,
    check_hypergradient,
    check_one_step_symbols,
    check_preconditioner,
    check_scale,
    check_steps,
    drawn,
    reach,
    usable,
    walk,
    zero,
)
from theory.matfac import derivations as derived
from theory.matfac import generator_network as theory

fresh = settings(max_examples=60, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(1, 12), st.integers(1, 6), st.integers(1, 5))  # p, m, k
rates = st.floats(-4, -1).map(lambda exponent: 10**exponent)
activations = st.sampled_from(["relu", "linear"])


def check_drift_symbols() -> None:
    constant, linear, square = derived.invariant_changes(SYMBOLS)
    assert zero(constant), "(8)"
    assert zero(linear), "(8), gradient flow"
    assert zero(np.ravel(square) - np.append(*theory.drift(AS_OBJECTS, G, 1))), "(8), one step"


def check_expansion(state: theory.Generator, g: np.ndarray, eta: float) -> None:
    """(3) for a step in which no unit switches."""
    after = state.step(g, eta)
    usable((state.hidden()[1] == after.hidden()[1]).all())
    terms = [eta**n * term for n, term in enumerate(theory.expansion(state, g), 1)]
    unit = EPS * (
        np.abs(state.theta()).max()
        + sum(np.abs(term).max() for term in terms)
        + reach([state, after])
    )
    assert np.abs(after.theta() - state.theta() - sum(terms)).max() <= UNITS * unit, "(3)"


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
    dead = theory.Generator(
        state.z, state.W1, -1 - np.abs(state.W1) @ np.abs(state.z), state.W2, state.b2
    )
    states, g = walk(dead, rng, eta)
    for name in ("z", "W1", "b1", "W2"):
        assert np.array_equal(getattr(states[-1], name), getattr(dead, name)), (
            f"{name} stands still"
        )
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
    # at most epsilon over |g| and |g h|
    assert np.abs(theory.adam_first_step(h, g, eta) / closed - 1).max() <= 2e-8
    assert (
        np.abs(theory.adam_first_step(h, 1e-12 * g, eta)).max()
        <= 1e-3 * np.abs(closed).max() * np.abs(g).max() ** 2
    )


@fresh
@given(seeds)
def test_balanced_linear_generator_is_the_two_layer_flow(seed):
    check_end_to_end(seed)


def test_end_to_end_rate_vanishes_at_zero_where_the_generator_keeps_it():
    """The looseness of (9): near theta = 0 one moves at |theta|, the other at least at the nominal
    rate."""
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
