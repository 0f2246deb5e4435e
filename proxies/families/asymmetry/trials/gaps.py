"""Generalisation gaps of least squares with one factor frozen, for Gaussian inputs, against
theory.asymmetry.gaps.

Everywhere 32 x 32, lambda_i = 1/i, D with entries of variance 1/32, rank 4, noise 1/2.
"""

from typing import Any

import numpy as np

from proxies.families.asymmetry.trials.linear import orthonormal, power_law
from theory.asymmetry import Array, Problem, gaps
from theory.asymmetry import frozen_factor as theory

SIZE, RANK, SIGMA = 32, 4, 0.5


def _problem(seed: int) -> tuple[np.random.Generator, Problem, dict[str, Array]]:
    """A problem and its frozen factors: A for B at rank r and at 2r, B for A."""
    rng = np.random.default_rng(seed)
    D = rng.standard_normal((SIZE, SIZE)) / np.sqrt(SIZE)
    frozen = {
        name: orthonormal(SIZE, rank, rng)
        for name, rank in (("B", RANK), ("B2", 2 * RANK), ("A", RANK))
    }
    return rng, theory.least_squares(D, np.diag(power_law(SIZE, 1))), frozen


def _samples(problem: Problem, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    x = rng.standard_normal((count, SIZE)) * np.sqrt(np.diag(problem.S))
    return x, x @ problem.D.T + SIGMA * rng.standard_normal((count, SIZE))


def _fitted(name: str, frozen: Array, x: Array, y: Array) -> Array:
    """The change of the weight by least squares, the factor `frozen` (32, r) beside it."""
    if name == "A":
        return frozen @ (frozen.T @ np.linalg.lstsq(x, y, rcond=None)[0].T)
    return np.linalg.lstsq(x @ frozen, y, rcond=None)[0].T @ frozen.T


def _errors(problem: Problem, C: Array, x: Array, y: Array) -> tuple[float, float]:
    """Test error, exactly, and training error."""
    test = theory.loss(problem, C) + SIZE * SIGMA**2
    return test, float(np.sum((y - x @ C.T) ** 2)) / len(x)


def near(name: str, samples: int, repeats: int, seed: int) -> float:
    """The mean gap of "B", "B2" or "A" over `repeats` data sets, over the formula's."""
    rng, problem, frozen = _problem(seed)
    found = []
    for _ in range(repeats):
        x, y = _samples(problem, samples, rng)
        test, train = _errors(problem, _fitted(name, frozen[name], x, y), x, y)
        found.append(test - train)
    one = frozen[name]
    predicted = (
        gaps.gap_A(problem, one, SIGMA, samples)
        if name == "A"
        else gaps.gap_B(problem, one.T, SIGMA, samples)
    )
    return float(np.mean(found)) / predicted


def compared(samples: int, repeats: int, seed: int) -> dict[str, Any]:
    """Mean gaps and test errors over `repeats` data sets: B trained, B at twice the rank, A, both.

    Both trained is reduced-rank regression: ordinary least squares, then the best rank-4 part of
    what it fits.
    """
    rng, problem, frozen = _problem(seed)
    gap: dict[str, list[float]] = {name: [] for name in (*frozen, "BA")}
    risk: dict[str, list[float]] = {name: [] for name in gap}
    for _ in range(repeats):
        x, y = _samples(problem, samples, rng)
        full = np.linalg.lstsq(x, y, rcond=None)[0].T
        P = np.linalg.svd(full @ x.T, full_matrices=False)[0][:, :RANK]
        fits = {name: _fitted(name, one, x, y) for name, one in frozen.items()}
        for name, C in {**fits, "BA": P @ (P.T @ full)}.items():
            test, train = _errors(problem, C, x, y)
            gap[name].append(test - train)
            risk[name].append(test)
    mean = lambda found: {name: float(np.mean(values)) for name, values in found.items()}
    return {"gap": mean(gap), "risk": mean(risk)}
