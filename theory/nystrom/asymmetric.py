"""Scaled gradient descent on an asymmetric target: the scalar law of the Nyström initialization,
and what stops others.

min ||X Y^T - A||_F^2 / 2 with A = U S V^T of rank k, X of size m x r, Y of size n x r, and residual
D = X Y^T - A:
    X+ = X - eta D Y (Y^T Y)^+,    Y+ = Y - eta D^T X (X^T X)^+,  both from the old values
                                   ("simultaneous").
For X in range(A), Y in range(A^T) and r = k, the block M = S^-1 U^T X Y^T V obeys
    M+ = (1 - eta)^2 M + 2 eta (1 - eta) + eta^2 M^-1 = M^-1 ((1 - eta) M + eta)^2,              (1)
    M+ = 1 + (1 - eta)^2 (M - 1)  when Y+ already sees X+ ("alternating"): linear, and one sweep
        at eta = 1.                                                                              (2)

Nyström: X_0 = A Omega, Y_0 = 0, and the first step moves Y alone (Y^T Y has no inverse yet). Then
for every A, every Omega and every r >= k the iterates stay X_t = a_t X_0, Y_t = b_t A^T X_0 (X_0^T
X_0)^+, so X_t Y_t^T = d_t A with
    d_0 = 0,  d_1 = eta,  then (1) for a scalar:  d+ - 1 = (d - 1) ((1 - eta)^2 - eta^2 / d).    (3)

Random X_0 and Y_0. By (1) an eigenvalue mu of M moves to ((1 - eta) mu + eta)^2 / mu: a negative
one stays negative for every eta in (0, 1), so sign(det M) never changes. At eta = 1/2 its root
makes Newton's step for the sign function,
    sqrt(mu+) = (sqrt(mu) + 1/sqrt(mu)) / 2,  hence convergence if and only if no eigenvalue of
        M_0 is <= 0.                                                                             (4)
Random X_0 and Y_0 have det M_0 < 0 half of the time, so they fail at least half of the time.

Y_0 = 0 and any X_0 is safe: the first step gives M_1 the eigenvalues
    eta cos^2(theta_i), theta_i the principal angles between col(X_0) and range(A), and the
        error                                                                                    (5)
    ||X_0 Y_1^T - A||^2 = ||A||^2 - eta (2 - eta) ||P A||^2 with P the projector on col(X_0).    (6)

What a sketch of something else keeps. With O the projector on what is outside range(A), and Y_t of
full column rank, the first step leaves X as it was and each later one shrinks its part outside:
    O X_t = (1 - eta)^(t - 1) O X_0,  hence  ||X_t Y_t^T - A||_F >= (1 - eta)^(t - 1)
        ||O X_0 Y_t^T||_F,  t >= 1.                                                              (7)
So a sketch X_0 = M Omega has the quadratic rate of (3) at eta = 1/2 only if range(M) lies in
range(A). To fit a change A of a pretrained weight W by W + X Y^T, the gradient at zero, -A, is such
an M, and W is none unless range(W) lies in range(A): from W the rate is linear, as from a random
X_0, and only the first error (6) knows of W.

Source: problem and initialization arXiv:2410.18965; (1)-(7) are derived here.
"""

from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theory.nystrom.symmetric import HALF, eta, outside_factor

Array = NDArray[np.floating]
M, S, z = sp.symbols("M S z", commutative=False)  # z = Y^T V; then U^T X = S M z^-1
d, root = sp.symbols("d root")


def _half_step() -> sp.Expr:
    """S^-1 U^T X+ Y^T V: the block once X has moved and Y has not."""
    x = S * M * z**-1
    x_next = sp.expand(x - eta * (x * z - S) * z**-1)
    return sp.expand(S**-1 * x_next * z)


def _y_step(block: sp.Expr) -> sp.Expr:
    """z^-1 z+ for the update of Y that sees the X with this block, which is S block z^-1."""
    x, x_inverse = S * block * z**-1, z * block**-1 * S**-1
    return sp.expand(z**-1 * (z - eta * x_inverse * (x * z - S)))


def next_block() -> sp.Expr:
    """(1): both factors move from the old block M, in the coordinates of range(A)."""
    return sp.expand(_half_step() * _y_step(M))


def next_block_alternating() -> sp.Expr:
    """(2): Y moves from the block H that X has just reached."""
    H = sp.Symbol("H", commutative=False)
    return sp.expand(sp.expand(H * _y_step(H)).subs(H, _half_step()))


def next_scalar() -> sp.Expr:
    """(3): the block map (1) on a multiple d of the identity."""
    scalar: Any = next_block().subs(M, d)
    return sp.expand(scalar)


def scalar_error_factor() -> sp.Expr:
    """(3): (d+ - 1)/(d - 1), exactly."""
    return sp.cancel((next_scalar() - 1) / (d - 1))


def next_root() -> Any:
    """(4): the square of the next root at eta = 1/2, as a function of the root of mu."""
    return sp.factor(next_scalar().subs({eta: HALF, d: root**2}))


def scalar_law(step_size: float, steps: int) -> Array:
    """(3): d_0, ..., d_steps of X_t Y_t^T = d_t A."""
    following = sp.lambdify(d, next_scalar().subs(eta, step_size))
    values = [0.0, step_size]
    while len(values) <= steps:
        values.append(float(following(values[-1])))
    return np.array(values[: steps + 1])


def scalar_steps(step_size: float, accuracy: float) -> int:
    """The first t with |d_t - 1| < accuracy: the exact number of steps from the Nyström
    initialization."""
    following = sp.lambdify(d, next_scalar().subs(eta, step_size))
    value, steps = step_size, 1
    while abs(value - 1) >= accuracy:
        value, steps = following(value), steps + 1
    return steps


def block(U: Array, S: Array, V: Array, X: Array, Y: Array) -> Array:
    """M = S^-1 U^T X Y^T V; works on stacks of matrices.

    Args:
        U: left singular vectors of A, (m, k).
        S: its singular values, (k,).
        V: right singular vectors, (n, k).
        X: (m, r).
        Y: (n, r).

    Returns: M (k, k).
    """
    return (np.swapaxes(U, -1, -2) @ X @ (np.swapaxes(Y, -1, -2) @ V)) / S[..., :, None]


def obstructed(M_0: Array) -> NDArray[np.bool_]:
    """(4): whether a k x k block has an eigenvalue on the closed negative axis, for each matrix of
    a stack.

    A real matrix has its real eigenvalues exactly real in floating point (LAPACK splits off 1 x 1
    blocks).
    """
    mu = np.linalg.eigvals(M_0)
    return ((mu.imag == 0) & (mu.real <= 0)).any(-1)


def first_step_eigenvalues(U: Array, X_0: Array, step_size: float) -> Array:
    """(5): ascending eigenvalues of M_1 for U (m x k) spanning range(A), both matrices of full
    column rank."""
    basis = np.linalg.qr(X_0).Q
    return np.sort(step_size * np.linalg.svd(basis.T @ U, compute_uv=False) ** 2)


def first_step_error(A: Array, X_0: Array, step_size: float) -> float:
    """(6): ||X_0 Y_1^T - A||_F / ||A||_F."""
    overlap = np.linalg.norm(np.linalg.qr(X_0).Q.T @ A) / np.linalg.norm(A)
    return float(np.sqrt(1 - step_size * (2 - step_size) * overlap**2))


def outside_law(step_size: float, steps: int) -> Array:
    """(7): ||O X_t|| / ||O X_0|| for t = 0, ..., steps. As O A = 0, X meets Y^T Y as it meets X^T X
    in the symmetric problem, and the factor is the one of theory.nystrom.symmetric (9)."""
    factor: Any = outside_factor().subs(eta, step_size)
    return float(factor) ** np.maximum(np.arange(steps + 1) - 1, 0)


def outside_bound(U: Array, X_0: Array, Y_t: Array, step_size: float, steps: int) -> float:
    """(7): the lower bound on ||X_t Y_t^T - A||_F.

    Args:
        U: an orthonormal basis of range(A), (m, k).
        X_0: the first iterate, (m, r).
        Y_t: the other factor after `steps` steps, (n, r).
        step_size: eta.
        steps: t, at least 1.
    """
    outside = X_0 - U @ (U.T @ X_0)
    return float(outside_law(step_size, steps)[-1] * np.linalg.norm(outside @ Y_t.T))
