"""Exact generalisation gaps of least squares with one factor frozen, for Gaussian inputs.

y = W x + e, x ~ N(0, S) in R^in, e ~ N(0, sigma^2 1) in R^out, and n samples. Ordinary least
squares of an output with residual variance v on k Gaussian features z has, whatever their
covariance, the expected errors

    train  v (1 - k / n),    test  v (1 + k / (n - k - 1)),                                      (1)

the trace of an inverse Wishart matrix giving k / (n - k - 1). The gap is expected test minus
training error. With A = Q frozen and B trained z = Q x, and what Q x leaves of y is Gaussian and
independent of it, so

    gap_B = R_B (r / n + r / (n - r - 1)),   R_B = T - III_B + out sigma^2.                      (2)

With B = U frozen with orthonormal columns and A trained, U^T y is regressed on x, and the rest of y
is not fitted, so

    gap_A = r sigma^2 (in / n + in / (n - in - 1)),                                              (3)

with T, III_A, III_B of theory.asymmetry.frozen_factor at H = 1. Test errors:

    risk_B = R_B (1 + r / (n - r - 1)),
    risk_A = T - III_A + out sigma^2 + r sigma^2 in / (n - in - 1).                              (4)

As n grows gap_B / gap_A -> R_B / (in sigma^2), at least out / in: what stays unexplained acts as
further label noise on B alone. The mutual-information bounds of arXiv:2402.16842, Lemma 4.5, are
equal for both on a square layer.                                                                (5)

Source: derived here; (1) is classical.
"""

from theory.asymmetry.frozen_factor import Array, Problem, explained_A, explained_B, total


def _excess(features: int, samples: int) -> float:
    """k / (n - k - 1). Raises ValueError where the expectation does not exist."""
    if samples <= features + 1:
        raise ValueError(
            f"the expected error needs more than features + 1 = {features + 1} samples, got "
            f"{samples}"
        )
    return features / (samples - features - 1)


def residual(problem: Problem, Q: Array, sigma: float) -> float:
    """R_B of (2): the least test error with A = Q frozen."""
    return total(problem) - explained_B(problem, Q) + len(problem.D) * sigma**2


def gap_B(problem: Problem, Q: Array, sigma: float, samples: int) -> float:
    """(2)."""
    r = len(Q)
    return residual(problem, Q, sigma) * (r / samples + _excess(r, samples))


def gap_A(problem: Problem, U: Array, sigma: float, samples: int) -> float:
    """(3)."""
    wide = problem.D.shape[1]
    return U.shape[1] * sigma**2 * (wide / samples + _excess(wide, samples))


def risk_B(problem: Problem, Q: Array, sigma: float, samples: int) -> float:
    """(4)."""
    return residual(problem, Q, sigma) * (1 + _excess(len(Q), samples))


def risk_A(problem: Problem, U: Array, sigma: float, samples: int) -> float:
    """(4)."""
    least = total(problem) - explained_A(problem, U) + len(problem.D) * sigma**2
    return least + U.shape[1] * sigma**2 * _excess(problem.D.shape[1], samples)
