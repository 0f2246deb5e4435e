"""The exact laws of `theory.matfac`, each measured on the engine's own network: one draw a call.

Every law is a function of JSON-like arguments that gives a dictionary of numbers; `draws.draws`
repeats one. A seed chooses its target and shape in turn from `SETTINGS`. An error is in units of
rounding: divided by eps = 2.2e-16 and by the largest size of what theory adds up.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from proxies.families.matfac.trials.methods import Overparam, Params
from proxies.families.matfac.trials.optimizers import Adam
from proxies.families.matfac.trials.replay import Replay, params, replay
from proxies.families.matfac.trials.targets import target
from theory.matfac import adaptation
from theory.matfac import generator_network as theory

EPS = float(np.finfo(float).eps)
SETTINGS = (("gauss", 24, 16, 3), ("ill", 12, 30, 2), ("well", 10, 10, 4), ("gauss", 40, 8, 1))
"""target, rows, columns, rank"""


def problem(seed: int) -> tuple[Tensor, int]:
    """M and the rank of the factors."""
    name, rows, columns, rank = SETTINGS[seed % len(SETTINGS)]
    return target(name, rows, columns, rank, seed), rank


def initial(method: Overparam, M: Tensor, rank: int, seed: int) -> Params:
    return method.initialize(M, rank, Generator().manual_seed(seed))


def relative(found: NDArray, wanted: NDArray) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def identities(
    seed: int, activation: str, rate: float = 0.02, steps: int = 200
) -> dict[str, float]:
    """(1) and (2), the largest error over the steps."""
    (M, rank), method = problem(seed), Overparam("default", activation)  # type: ignore[arg-type]
    run = replay(method, M, rank, initial(method, M, rank, seed), rate, steps)
    first, change = run.states[0], np.diff(run.theta, axis=0)
    one, far = [], []
    for t in range(steps):
        now, then = run.states[t], run.h[t + 1]
        closed = theory.one_step(now.W2, run.h[t], then, run.g[t], rate)
        size = np.abs(now.W2) @ (run.h[t] ** 2 + then**2) ** 0.5 + np.abs(now.b2)
        one.append((np.abs(closed - change[t]) / size.max()).max())
    for t in range(1, steps + 1):
        closed = theory.telescoped(first.W2, first.b2, run.h[: t + 1], run.g[:t], rate)
        size = np.abs(first.W2) @ np.abs(run.h[t]) + np.abs(first.b2)
        size = size + rate * (1 + np.abs(run.h[:t] @ run.h[t])) @ np.abs(run.g[:t])
        far.append((np.abs(closed - run.theta[t]) / size.max()).max())
    return {
        "one step": float(max(one)) / EPS,
        "all steps": float(max(far)) / EPS,
    }


def expansion(seed: int) -> dict[str, float]:
    """(3) and (4) after 20 steps, when W2 has grown, at the largest learning rate 0.1 / 2^n at
    which no unit switches."""
    (M, rank), method = problem(seed), Overparam("default")
    state = replay(method, M, rank, initial(method, M, rank, seed), 0.05, 20).states[-1]
    rate, run = _unswitched(method, M, rank, state, 0.1)
    terms = [rate**n * term for n, term in enumerate(theory.expansion(state, run.g[0]), 1)]
    change = run.theta[1] - run.theta[0]
    h, D = state.hidden()
    eigenvalues = np.linalg.eigvalsh(theory.preconditioner(state))
    level = 1 + float(h @ h)
    size = np.abs(state.W2) @ np.abs(h) + np.abs(state.b2) + np.abs(terms).sum(0)
    unit = EPS * eigenvalues[-1] / level
    return {
        "remainder": float(np.abs(change - sum(terms)).max() / size.max()) / EPS,
        "least eigenvalue": float(eigenvalues[0] / level - 1) / unit,
        "larger eigenvalues": int((eigenvalues / level > 1 + 100 * unit).sum()) - int(D.sum()),
    }


def _unswitched(
    method: Overparam, M: Tensor, rank: int, state: theory.Generator, rate: float
) -> tuple[float, Replay]:
    while (run := replay(method, M, rank, params(state), rate, 1)).switches:
        rate /= 2
    return rate, run


def conservation(seed: int, rate: float = 2.5e-3, time: float = 0.5) -> dict[str, float]:
    """(8): how much less the invariants drift at half the learning rate, and the error of the exact
    drift of one step."""
    (M, rank), method = problem(seed), Overparam("default")
    runs = [
        replay(method, M, rank, initial(method, M, rank, seed), r, round(time / r))
        for r in (rate, rate / 2)
    ]
    total, errors = [], []
    for run, r in zip(runs, (rate, rate / 2), strict=True):
        now = [np.append(*theory.invariants(state)) for state in run.states]
        exact = [
            np.append(*theory.drift(state, g, r))
            for state, g in zip(run.states, run.g, strict=False)
        ]
        size = max(np.abs(s.W2).max() ** 2 * len(s.b2) + (s.W1**2).sum() for s in run.states)
        errors.append(np.abs(np.diff(now, axis=0) - exact).max() / size)
        total.append(np.abs(now[-1] - now[0]))
    return {
        "ratio": float(np.linalg.norm(total[0]) / np.linalg.norm(total[1])),
        "one step": float(max(errors)) / EPS,
    }


def balanced(seed: int) -> dict[str, float]:
    """(9): the velocity of theta = W2 h at a balanced point against the two-layer end-to-end
    flow."""
    rng = np.random.default_rng(seed)
    p, m = (60, 5) if seed % 2 else (12, 20)
    theta, g, v = rng.normal(size=p), rng.normal(size=p), rng.normal(size=m)
    v, size = v / np.linalg.norm(v), np.linalg.norm(theta)
    W2, h = np.outer(theta, v) / np.sqrt(size), np.sqrt(size) * v
    velocity = np.outer(g, h) @ h + W2 @ (W2.T @ g)
    return {"error": relative(velocity, theory.end_to_end(theta, g, 2)) / EPS}


def adam(seed: int, rate: float = 1e-3) -> dict[str, float]:
    """(5) on all entries, and without Adam's epsilon on the entries of B: over the bound
    epsilon (1 + m) / (|g| (1 + |h|_1)) of the relative error."""
    (M, rank), method = problem(seed), Overparam("bias")
    run = replay(method, M, rank, initial(method, M, rank, seed), rate, 1, Adam)
    moved, h, g = run.theta[1] - run.theta[0], run.h[0], run.g[0]
    touched = g != 0  # A's gradient is zero while B = 0
    closed = theory.adam_first_step(h, g, rate)
    signs = -rate * theory.adam_multiplier(h) * np.sign(g[touched])
    error = np.abs(moved[touched] / signs - 1)
    bound = 1e-8 * (1 + len(h)) / np.abs(g[touched]) / theory.adam_multiplier(h)
    return {
        "error": float(np.abs(moved - closed).max() / np.abs(run.theta[1]).max()) / EPS,
        "share of the bound": float((error / bound).max()),
    }


def hypergradient(seed: int, reach: float, scale: float) -> dict[str, float]:
    """(6): the change of |h|^2 in the second step over the size of the predicted one, positive
    where it grows.

    `reach` is eta (1 + |h|^2) times the mean curvature |A|_F^2 / r. While B = 0 the loss is
    quadratic in B with curvature A A^T, so reach < 1 keeps the two gradients aligned and reach > 1
    overshoots. The target is multiplied by `scale`: the law needs eta^2 |g|^2 |K| to be small.
    """
    (M, rank), method = problem(seed), Overparam("bias")
    M = scale * M
    begin = initial(method, M, rank, seed)
    h0 = replay(method, M, rank, begin, 0.0, 0).h[0]
    rate = reach / ((1 + h0 @ h0) * float(begin["b2"].square().sum()) / rank)
    run = replay(method, M, rank, begin, rate, 2)
    change = theory.hidden_change(run.states[1], run.h[:1], run.g[:1], run.g[1], rate)
    growth = run.h[2] @ run.h[2] - run.h[1] @ run.h[1]
    return {"growth": float(growth / np.abs(2 * run.h[1] @ change))}


def adam_hypergradient(seed: int, rate: float, scale: float) -> dict[str, float]:
    """`theory.matfac.adaptation` (4): the change of |h|_1 in the second step of Adam over the size
    of the predicted one, positive where it grows.

    The target is multiplied by `scale`. At one learning rate the second gradient agrees with the
    first on a large target, and opposes it on one so small that the first step overshoots."""
    (M, rank), method = problem(seed), Overparam("bias")
    M = scale * M
    run = replay(method, M, rank, initial(method, M, rank, seed), rate, 2, Adam)
    change = adaptation.adam_hidden_change(run.states[0], run.g[0], run.g[1], rate)
    return {"growth": float((run.h[2].sum() - run.h[1].sum()) / np.abs(change.sum()))}


def scale(seed: int, width: int, embedding: int, columns: int = 1024) -> dict[str, float]:
    """(10): Var(A) of the default initialization over the prediction, from one draw."""
    method, M = Overparam("default", width=width, embedding=embedding), torch.zeros(1, columns)
    first = method.initialize(M.double(), 1, Generator().manual_seed(seed))
    theta = replay(method, M.double(), 1, first, 0.0, 0).theta[0]
    predicted = theory.scale_ratio(columns, width, embedding) ** 2 * theory.lora_variance(columns)
    return {"variance": float(theta[:columns].var() / predicted)}
