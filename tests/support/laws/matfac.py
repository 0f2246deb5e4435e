"""The laws of theory.matfac as checks."""

from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import reject

from theory.matfac import derivations as derived
from theory.matfac import generator_network as theory

EPS = float(np.finfo(float).eps)

UNITS = 20

STEPS = 12

SYMBOLS = derived.generator()

ARRAYS: Any = [
    np.array(x.tolist()).squeeze()
    for x in (SYMBOLS.z, SYMBOLS.W1, SYMBOLS.b1, SYMBOLS.W2, SYMBOLS.b2)
]

AS_OBJECTS = theory.Generator(*ARRAYS, activation="linear")

G = np.array(SYMBOLS.g.tolist()).squeeze()


def drawn(
    size: tuple[int, int, int], activation: Any, seed: int
) -> tuple[theory.Generator, np.random.Generator]:
    (p, m, k), rng = size, np.random.default_rng(seed)
    draws: Any = [rng.normal(size=shape) for shape in ((k,), (m, k), (m,), (p, m), (p,))]
    return theory.Generator(*draws, activation=activation), rng


def walk(
    state: theory.Generator, rng: np.random.Generator, eta: float
) -> tuple[list[theory.Generator], np.ndarray]:
    """Descent with gradients that have nothing to do with a loss: (1), (2) and (8) hold for any."""
    g, states = rng.normal(size=(STEPS, len(state.b2))), [state]
    for row in g:
        states.append(states[-1].step(row, eta))
        # a walk that explodes says nothing about rounding
        usable(np.abs(states[-1].W2).max() < 1e6)
    return states, g


def usable(draw: Any) -> None:
    if not draw:
        reject()


def zero(difference: Any) -> bool:
    return all(sp.expand(sp.nsimplify(entry)) == 0 for entry in np.ravel(np.array(difference)))


def check_one_step_symbols() -> None:
    change, part = derived.one_step_change()
    W2, h, h_next, g = (
        np.array(part[name].tolist()).squeeze() for name in ("W2", "h", "h_next", "g")
    )
    closed = theory.one_step(W2, h, h_next, g, derived.eta)
    assert zero(np.ravel(change) - closed), "(1)"


def check_expansion_symbols() -> None:
    found = derived.step_coefficients(SYMBOLS)
    closed = theory.expansion(AS_OBJECTS, G)
    assert len(found) == 4, "a cubic"
    assert zero(found[0]), "nothing moves at rate zero"
    for order in (1, 2, 3):
        assert zero(np.ravel(found[order]) - closed[order - 1]), f"(3), order {order}"


def check_steps(state: theory.Generator, rng: np.random.Generator, eta: float) -> None:
    """(1) and (2) along a walk, units switching as they like."""
    states, g = walk(state, rng, eta)
    h, theta = (
        np.array([f(s) for s in states]) for f in (lambda s: s.hidden()[0], theory.Generator.theta)
    )
    # What is added up: |theta| of two states, and every (1 + h.h) g of the past.
    unit = EPS * (
        np.abs(theta).max() + eta * (1 + np.abs(h @ h.T).max()) * np.abs(g).sum() + reach(states)
    )
    for t in range(STEPS):
        change = theory.one_step(states[t].W2, h[t], h[t + 1], g[t], eta)
        assert np.abs(theta[t + 1] - theta[t] - change).max() <= UNITS * unit, "(1)"
        far = theory.telescoped(state.W2, state.b2, h[: t + 1], g[:t], eta)
        assert np.abs(theta[t] - far).max() <= UNITS * unit, "(2)"


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
        assert np.abs(change - np.append(*theory.drift(before, row, eta))).max() <= UNITS * unit, (
            "(8)"
        )


def check_hypergradient(seed: int, sign: int) -> None:
    """(6) for two steps from W2 = 0, the second gradient agreeing with the first or opposing it.

    At eta |g| = 1e-3 the neglected terms are smaller by eta^2 |g|^2 |K|, below 1e-2 for these
    sizes.
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
    assert np.sign(after.hidden()[0] @ after.hidden()[0] - h @ h) == sign, (
        "(6), the sign of g_0.g_1"
    )


def check_counts() -> None:
    """LLaMA-7B with q, k, v, up and down adapted at rank 32: 56.1 million numbers become 1.85
    thousand million."""
    shapes = 32 * ([4096 + 4096] * 3 + [4096 + 11008] * 2)
    assert sum(32 * both for both in shapes) == 56_098_816
    assert sum(theory.parameters(32 * both, 32, 32) for both in shapes) == 1_851_435_008


def check_scale() -> None:
    """(10) against its derivation, and the expected |h|_1 against draws."""
    m, k, columns = 32, 8, 100
    square = derived.mean_square_of_hidden().subs(
        dict(zip(sp.symbols("m k", positive=True), (m, k), strict=True))
    )
    ratio = theory.scale_ratio(columns, m, k) ** 2
    assert ratio == pytest.approx((1 + float(square)) / (3 * m) * 3 * columns, rel=UNITS * EPS)
    rng = np.random.default_rng(0)
    z, W1, b1 = (
        rng.normal(size=(4000, k, 1)),
        *(rng.uniform(-1, 1, (4000, m, n)) / k**0.5 for n in (k, 1)),
    )
    l1 = np.maximum(W1 @ z + b1, 0).sum((1, 2))
    error = l1.std() / len(l1) ** 0.5
    # The Gaussian reading of W1 z overstates E|h|_1 a little: by 1.0 +- 0.1 % at k = 8, from 1e5
    # draws.
    assert abs(l1.mean() - theory.typical_l1(m, k)) <= 5 * error + 0.02 * theory.typical_l1(m, k)


def check_end_to_end(seed: int) -> None:
    """(9) at random numbers in the derived flow, whose entries are below 1e4 in size for these
    draws."""
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
        largest = max(
            largest,
            (np.abs(s.W2) @ before).max(),
            before.max(),
            *(np.linalg.norm(part) for part in parts),
        )
    return float(largest)
