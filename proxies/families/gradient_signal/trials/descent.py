"""Gradient descent on B with A frozen, on populations of known second moment: EVA's expected risk
beside that of rival rows."""

import numpy as np

from proxies.families.gradient_signal.trials.laws import (
    Array,
    basis,
    orthonormal,
    spectrum,
    tilted,
)
from theory.gradient_signal import optimum as theory

STEPS = (1, 3, 10, 30, 100)
RATES = (1.0, 0.3, 0.1, 0.01)  # times 1/lambda_1


def risks(A: Array, M: Array, rate: float) -> list[Array]:
    """The expected risk after each of STEPS, of A (r, d) or of many (n, r, d): the mean of E|D x -
    B A x|^2 over the prior E[D^T D] = I, which is its sum over the axes as D."""
    B, found = np.zeros((*A.shape[:-2], len(M), A.shape[-2])), []
    for step in range(1, STEPS[-1] + 1):
        B = B + rate * (np.eye(len(M)) - B @ A) @ M @ np.swapaxes(A, -1, -2)
        if step in STEPS:
            left = np.eye(len(M)) - B @ A
            found.append(np.einsum("...ij,jk,...ik->...", left, M, left))
    return [np.asarray(risk) for risk in found]


def rivals(seed: int) -> dict[str, float]:
    """The least risk of rival rows over EVA's, over all of STEPS and RATES, in one population."""
    rng = np.random.default_rng(seed)
    d = 12
    rank, decay = int(rng.integers(1, 7)), float(rng.uniform(0, 3))
    Q = basis(d, rng)
    M = (Q * spectrum(d, decay)) @ Q.T
    A = theory.top(M, rank)
    others = np.stack([*(orthonormal(rank, d, rng) for _ in range(500)), *tilted(A, 500, rng)])
    least = [
        float((other / own).min())
        for rate in RATES
        for other, own in zip(
            risks(others, M, rate / spectrum(d, decay)[0]),
            risks(A, M, rate / spectrum(d, decay)[0]),
            strict=True,
        )
    ]
    return {"least": min(least)}


def counter_example() -> dict[str, float]:
    """The risk of constructed orthonormal rows over EVA's after one step, each at the best of 201
    learning rates."""
    M = np.diag([4.0, 1.0, 0.0])
    even = np.array([[0.5, 0, np.sqrt(0.75)], [0, 1, 0]])
    rates = np.linspace(0, 2, 201)
    other, own = (min(float(risks(A, M, rate)[0]) for rate in rates) for A in (even, np.eye(3)[:2]))
    return {"ratio": other / own}
