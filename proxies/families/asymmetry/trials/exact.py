"""Means over random frozen factors without any sampling error: over all columns of a basis, or over
all signed permutations of the inputs, whose law is that of the random factor itself."""

import numpy as np

from proxies.families.asymmetry.trials.linear import orthonormal, power_law
from theory.asymmetry import frozen_factor as theory
from theory.asymmetry.guarantees import symmetric_shares

EPS = theory.EPS


def basis(seed: int) -> float:
    """E III_A = (r / out) T, theory.asymmetry.frozen_factor (6): the columns of a uniform basis in
    blocks of r are each a uniform frozen B, so the mean over the blocks has that expectation, and
    is free of the basis. Its distance from r / out, in units of eps out."""
    rng = np.random.default_rng(seed)
    rank, blocks, in_ = (int(n) for n in rng.integers((1, 2, 2), (5, 7, 25)))
    out = rank * blocks
    D = rng.standard_normal((out, in_))
    problem = theory.least_squares(D, np.diag(power_law(in_, rng.uniform(0, 2))))
    U = np.split(orthonormal(out, out, rng), blocks, axis=1)
    mean = np.mean([theory.explained_A(problem, one) for one in U]) / theory.total(problem)
    return float(abs(mean - 1 / blocks) / (EPS * out))


def few_inputs(seed: int) -> dict[str, float]:
    """theory.asymmetry.frozen_factor (9): inputs in r directions of equal variance.

    Returns: what B, beside a random frozen A, leaves of T, in units of eps times the condition
        number of the r numbers that A makes of those directions; and the distance of B's lead over
        A from 1 - r / out, by `basis`, in units of eps out times that number.
    """
    rng = np.random.default_rng(seed)
    rank, blocks, more = (int(n) for n in rng.integers((1, 2, 0), (5, 7, 25)))
    in_, out = rank + more, rank * blocks
    V = orthonormal(in_, rank, rng)
    problem = theory.least_squares(rng.standard_normal((out, in_)), V @ V.T)
    Q, T = rng.standard_normal((rank, in_)), theory.total(problem)
    B = theory.explained_B(problem, Q) / T
    U = np.split(orthonormal(out, out, rng), blocks, axis=1)
    A = float(np.mean([theory.explained_A(problem, one) for one in U])) / T
    unit = EPS * in_ * float(np.linalg.cond(Q @ V))
    return {"lost": abs(1 - B) / unit, "lead": abs(B - A - (1 - 1 / blocks)) / (unit + EPS * out)}


def ordered(seed: int) -> dict[str, float]:
    """What B explains on average beyond A, as a share of T, for a change that is ordered as the
    inputs are, and for one of the weakest input alone; 2 to 5 inputs of unequal variance."""
    rng = np.random.default_rng(seed)
    in_ = int(rng.integers(2, 6))
    rank, out = int(rng.integers(1, in_)), int(rng.integers(in_, 2 * in_ + 1))
    values = np.sort(rng.uniform(0.05, 1, in_))[::-1]
    c = np.sort(rng.uniform(0, 1, in_))[::-1]
    p = symmetric_shares(values, rng.standard_normal((rank, in_)))
    return {
        "ordered": float(c @ p / c.sum()) - rank / out,
        "weakest": float(p[-1]) - rank / in_,
    }
