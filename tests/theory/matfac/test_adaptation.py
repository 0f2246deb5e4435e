"""Adaptive learning rate and momentum, and under which optimizer: theory.matfac.adaptation."""

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.laws.matfac import EPS, drawn, usable
from theory.matfac import adaptation
from theory.matfac import generator_network as theory

fresh = settings(max_examples=60, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**32 - 1)
NAMES = ("z", "W1", "b1", "W2", "b2")


def started(seed: int) -> tuple[theory.Generator, np.random.Generator]:
    """A network with W2 = 0 and a unit that is on."""
    state, rng = drawn((8, 6, 4), "relu", seed)
    usable(state.hidden()[1].any())
    return theory.Generator(state.z, state.W1, state.b1, 0 * state.W2, state.b2), rng


def by_adam(state: theory.Generator, gradients: list[np.ndarray], eta: float) -> theory.Generator:
    """Steps of torch's Adam on all five arrays, theta's gradient being given."""
    P = {name: torch.tensor(getattr(state, name), requires_grad=True) for name in NAMES}
    rule = torch.optim.Adam(P.values(), lr=eta, eps=1e-30)
    for g in gradients:
        rule.zero_grad()
        theta = P["W2"] @ (P["W1"] @ P["z"] + P["b1"]).relu() + P["b2"]
        (torch.from_numpy(g) @ theta).backward()
        rule.step()
    z, W1, b1, W2, b2 = (P[name].detach().numpy().copy() for name in NAMES)
    return theory.Generator(z, W1, b1, W2, b2)


@fresh
@given(seeds, st.sampled_from([1, -1]), st.floats(-6, 6))
def test_adam_adapts_by_the_sign_of_agreement(seed, sign, size):
    """(3) and (4), for gradients of any size: the error is of the order of eta."""
    state, rng = started(seed)
    eta, first = 1e-6, rng.normal(size=8)
    second = sign * first + 0.3 * rng.normal(size=8)
    first, second = 10**size * first, 10**size * second
    s = np.sign(first) @ second
    usable(abs(s) > 1e-3 * np.abs(second).sum())
    h, D = state.hidden()
    usable(np.abs(state.W1.T @ D).min() > 1e-3)
    after = by_adam(state, [first, second], eta)
    usable((after.hidden()[1] == D).all())
    change, closed = after.hidden()[0] - h, adaptation.adam_hidden_change(state, first, second, eta)
    assert np.abs(change - closed).max() <= 1e-3 * np.abs(closed).max(), "(3)"
    grown = D.sum() * (np.abs(state.z).sum() + 1) + np.abs(state.W1.T @ D).sum()
    wanted = eta * adaptation.second_step_factor() * np.sign(s) * grown
    assert after.hidden()[0].sum() - h.sum() == pytest.approx(wanted, rel=1e-3), "(4)"


@fresh
@given(seeds)
def test_the_first_step_of_adam_leaves_the_hidden_state(seed):
    state, rng = started(seed)
    after = by_adam(state, [rng.normal(size=8)], 1e-3)
    assert np.array_equal(after.hidden()[0], state.hidden()[0])


def test_second_step_factor_is_adams():
    """From the moving averages of an entry whose gradients are 0 and then x."""
    x, b1, b2 = sp.symbols("x b1 b2", positive=True)
    m, v = (1 - b1) * x / (1 - b1**2), (1 - b2) * x**2 / (1 - b2**2)
    factor = sp.lambdify((b1, b2), sp.simplify(m / sp.sqrt(v)))
    assert adaptation.second_step_factor() == pytest.approx(float(factor(0.9, 0.999)), rel=10 * EPS)
    assert adaptation.second_step_factor() == pytest.approx(0.744, abs=5e-4)


@fresh
@given(seeds, st.integers(1, 8))
def test_momentum_weights_make_the_step(seed, steps):
    """(1): one step is the present gradient, the first W2, and the past gradients so weighted."""
    state, rng = drawn((8, 6, 4), "relu", seed)
    eta, g, states = 0.02, rng.normal(size=(steps + 1, 8)), [state]
    for row in g:
        states.append(states[-1].step(row, eta))
    usable(np.abs(states[-1].W2).max() < 1e3)
    h = np.array([s.hidden()[0] for s in states])
    weights = adaptation.momentum_weights(h, eta)
    step = -eta * (1 + h[-2] @ h[-1]) * g[-1] + state.W2 @ (h[-1] - h[-2]) - weights @ g[:-1]
    size = max(np.abs(s.W2).max() * np.abs(s.hidden()[0]).sum() for s in states) + 1
    found = states[-1].theta() - states[-2].theta()
    assert np.abs(found - step).max() <= 200 * EPS * (size + np.abs(state.b2).max())


@fresh
@given(seeds, st.sampled_from([1, -1]))
def test_the_first_momentum_has_the_sign_of_agreement(seed, sign):
    """(2), to leading order in eta |g|."""
    state, rng = started(seed)
    first = rng.normal(size=8)
    first, eta = first / np.linalg.norm(first), 1e-4
    middle = state.step(first, eta)
    after = middle.step(sign * first, eta)
    usable((middle.hidden()[1] == after.hidden()[1]).all())
    h = np.array([s.hidden()[0] for s in (state, middle, after)])
    found = float(adaptation.momentum_weights(h, eta)[0])
    closed = eta**3 * h[0] @ theory.kernel(middle) @ h[0] * sign
    assert found == pytest.approx(closed, rel=1e-2)


def test_it_is_not_heavy_ball():
    """A network that shrinks h weighs every past gradient negatively at once, the oldest as much as
    the newest."""
    h = np.array([[1.0, 2.0], [1.1, 2.2], [1.2, 2.4], [0.6, 1.2]])
    weights = adaptation.momentum_weights(h, 0.1)
    assert (weights < 0).all()
    assert abs(weights[0]) > 0.8 * abs(weights[-1])
