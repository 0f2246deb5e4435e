"""Scaled gradient descent with fewer columns than the target's rank: what an initialization cannot
remove.

Setting of theory.nystrom.symmetric and theory.nystrom.asymmetric with r below the rank of A. Around
the best rank-r approximation the linearised update has, with rho = lambda_{r+1} / lambda_r the gap
(a ratio of singular values if A is asymmetric), the slowest factor
    symmetric and asymmetric:  max( (1 - eta) + eta rho, |1 - 2 eta| ),                          (1)
    alternating at eta = 1:    rho^2 a sweep (block power iteration),                            (2)
    simultaneous at eta = 1:   rho a step.                                                       (3)
So the rate is linear and set by the gap, whatever the initialization.

From X_0 = A Omega, Y_0 = 0, one step at eta = 1 gives
    X_0 Y_1^T = Q Q^T A with Q = orth(A Omega), the randomised range finder, and                 (4)
    Y_1^T A^+ X_0 = 1 at once, the "weak optimality" of arXiv:2410.18965,                        (5)
which is therefore weaker than optimality: in the symmetric case it holds at X = A^(1/2) U for any U
with orthonormal columns in range(A).

Source: the notion (5) arXiv:2410.18965; the rates and (4) are derived here.
"""

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theory.nystrom.symmetric import eta, rho

Array = NDArray[np.float64]
x, y, u, v = sp.symbols("x y u v", real=True)
# the pair of directions that decides: the last one kept and the first one lost
TARGET = sp.diag(1, rho)


def _factors(
    update: list[sp.Expr], variables: list[sp.Symbol], optimum: list[int]
) -> list[sp.Expr]:
    """The eigenvalues of an update's Jacobian at a fixed point."""
    jacobian = (
        sp.Matrix(update).jacobian(variables).subs(dict(zip(variables, optimum, strict=True)))
    )
    return list(jacobian.applyfunc(sp.simplify).eigenvals())


def symmetric_factors() -> list[sp.Expr]:
    """(1): the local factors of the symmetric update, one inside the kept direction and one towards
    the lost one."""
    X = sp.Matrix([x, u])
    X_next = X - eta * (X * X.T - TARGET) * X / X.dot(X)
    return _factors(list(X_next), [x, u], [1, 0])


def asymmetric_factors(alternating: bool = False) -> list[sp.Expr]:
    """(1)-(3): the local factors of the asymmetric update; one of them is 1, the scale moved
    between X and Y."""
    X, Y = sp.Matrix([x, u]), sp.Matrix([y, v])
    X_next = X - eta * (X * Y.T - TARGET) * Y / Y.dot(Y)
    X_seen = X_next if alternating else X
    Y_next = Y - eta * (X_seen * Y.T - TARGET).T * X_seen / X_seen.dot(X_seen)
    return _factors([*X_next, *Y_next], [x, u, y, v], [1, 0, 1, 0])


def rate(step_size: float, gap: float) -> float:
    """(1): the factor by which the distance to the best rank-r approximation shrinks at each late
    step."""
    return max(
        abs(float(factor.subs({eta: step_size, rho: gap}))) for factor in symmetric_factors()
    )


def range_finder(A: Array, X_0: Array) -> Array:
    """(4): Q Q^T A with Q an orthonormal basis of col(X_0)."""
    Q = np.linalg.qr(X_0).Q
    return Q @ (Q.T @ A)


def weak_optimality_gap(A: Array, X: Array, Y: Array) -> float:
    """(5): ||Y^T A^+ X - 1||_F, zero at weakly optimal pairs (pass Y = X for a symmetric target).

    The pseudo-inverse drops what is below 1e-10 of the largest singular value, as A is given to
    rounding only.
    """
    return float(np.linalg.norm(Y.T @ np.linalg.pinv(A, rcond=1e-10) @ X - np.eye(X.shape[1])))
