"""Scaled gradient descent from the Nyström initialization, symmetric target, rank at least that of
the target.

min_X ||X X^T - A||_F^2 / 4, A = Q L Q^T positive semidefinite of rank k (L diagonal, k x k), X of
size m x r, r >= k:
    X+ = X - eta (X X^T - A) X (X^T X)^+,    X_0 = A Omega,    Omega_ij ~ N(0, xi^2).
Then X_t = Q F_t for all t. Write P = F F^T, E = P - L, and W = R^-1 F for a root L = R R^T:
    F+ = T F with T = 1 - eta (P - L) P^-1,                                                      (1)
    P+ = (1 - eta)^2 P + 2 eta (1 - eta) L + eta^2 L P^-1 L,                                     (2)
    E+ = E P^-1 E / 4 at eta = 1/2: quadratic, and P_t >= L from t = 1 on,                       (3)
    W+ = ((1 - eta) + eta (W W^T)^-1) W: singular vectors rest, sigma+ = (1 - eta) sigma +
        eta/sigma.                                                                               (4)

At eta = 1/2 this is Newton's iteration for the polar factor, so with q = (sigma_0 - 1)/(sigma_0 +
1)
    sigma_t = (1 + q^(2^t)) / (1 - q^(2^t)),   sigma_t^2 - 1 = 4 p / (1 - p)^2 with p =
        q^(2^t),                                                                                 (5)
    X_t -> Q L^(1/2) polar(W_0),                                                                 (6)
    steps to relative error eps <= ceil(log_4 max_i max(y_i, 1/y_i) + log_2(arcosh(1 + 2/eps)/2)),
        y = sigma_0^2,                                                                           (7)
so that the condition number and xi enter through log_4 alone.

At any other eta in (0, 1) the rate is linear,
    sigma+ - 1 = (1 - 2 eta) (sigma - 1) + O((sigma - 1)^2),                                     (8)
and at eta = 1 sigma+ = 1/sigma: a cycle of period two, which never converges.

Outside range(A), with projector O,
    O X+ = (1 - eta) O X,  hence  ||X_t X_t^T - A||_F >= (1 - eta)^t ||O X_0 X_t^T Q||_F:        (9)
no initialization that leaks out of range(A) beats the linear rate 1 - eta.

Source: problem, initialization and the quadratic rate arXiv:2410.18965; the exact forms (1)-(9) are
derived here.
"""

from typing import Any

import numpy as np
import scipy.linalg
import sympy as sp
from numpy.typing import ArrayLike, NDArray

eta, sigma, rho = sp.symbols("eta sigma rho", positive=True)
# K stands for W W^T
P, L, E, K = (sp.Symbol(name, commutative=False, hermitian=True) for name in "PLEK")
R, N, G = sp.symbols("R N G", commutative=False)
HALF = sp.Rational(1, 2)
Array = NDArray[np.float64]


def multiplier() -> sp.Expr:
    """T of (1), in the coordinates of range(A), where X (X^T X)^+ becomes P^-1 F."""
    return 1 - eta * (P - L) * P**-1


def next_gram() -> sp.Expr:
    """(2): P+ = T P T^T."""
    T = multiplier()
    return sp.expand(T * P * sp.adjoint(T))


def next_residual() -> sp.Expr:
    """(3): E+ at eta = 1/2, in E and P alone."""
    return sp.expand((next_gram() - L).subs(eta, HALF).subs(L, P - E))


def whitened_multiplier() -> sp.Expr:
    """(4): R^-1 T R, in which the spectrum cancels and only K = W W^T is left."""
    R_T = sp.adjoint(R)
    T = sp.expand(multiplier()).subs({P**-1: R_T**-1 * K**-1 * R**-1, L: R * R_T})
    return sp.expand(R**-1 * T * R)


def next_sigma() -> sp.Expr:
    """(4) for one singular value of W, sigma^2 being an eigenvalue of K."""
    return sp.expand(whitened_multiplier().subs(K, sigma**2) * sigma)


def next_cayley() -> sp.Expr:
    """(5): q+ at eta = 1/2 as a function of q = (sigma - 1)/(sigma + 1)."""
    q = sp.Symbol("q")
    after: Any = next_sigma().subs(eta, HALF).subs(sigma, (1 + q) / (1 - q))
    return sp.cancel((after - 1) / (after + 1))


def tail_factor(step_size: float) -> float:
    """(8): the factor by which the error shrinks at each late step; 0 means faster than linear."""
    slope: Any = sp.diff(next_sigma(), sigma).subs({sigma: 1, eta: step_size})
    return abs(float(slope))


def outside_factor() -> sp.Expr:
    """(9): the part N of X outside range(A) meets A nowhere, so X X^T - A acts on it as N X^T; G =
    X^T X."""
    return sp.simplify(sp.expand(N - eta * N * G * G**-1) * N**-1)


def sigma_after(sigma_0: ArrayLike, steps: int) -> Array:
    """(5): singular values of the whitened iterate after `steps` steps with eta = 1/2, in the order
    of sigma_0 > 0."""
    sigma = np.asarray(sigma_0, float)
    p = ((sigma - 1) / (sigma + 1)) ** (2.0**steps)
    return (1 + p) / (1 - p)


def whitened(Q: Array, spectrum: Array, X: Array) -> Array:
    """W = L^(-1/2) Q^T X (k x r), for A = Q diag(spectrum) Q^T."""
    return (Q.T @ X) / np.sqrt(spectrum)[:, None]


def limit(Q: Array, spectrum: Array, X_0: Array) -> Array:
    """(6): the point (m x r) that the iteration with 0 < eta < 1 reaches from X_0 inside
    range(A)."""
    polar, _ = scipy.linalg.polar(whitened(Q, spectrum, X_0))
    return (Q * np.sqrt(spectrum)) @ polar


def error_after(Q: Array, spectrum: Array, X_0: Array, steps: int) -> float:
    """(5): ||X_t X_t^T - A||_F / ||A||_F at eta = 1/2.

    Args:
        Q: eigenvectors of A, (m, k).
        spectrum: its eigenvalues, (k,).
        X_0: the first iterate inside range(A), (m, r).
        steps: t.
    """
    W = whitened(Q, spectrum, X_0)
    directions, sigma_0, _ = np.linalg.svd(W, full_matrices=False)
    p = ((sigma_0 - 1) / (sigma_0 + 1)) ** (2.0**steps)
    root = np.sqrt(spectrum)[:, None] * directions
    return float(
        np.linalg.norm((root * (4 * p / (1 - p) ** 2)) @ root.T) / np.linalg.norm(spectrum)
    )


def distance(Q: Array, spectrum: Array, X_0: Array) -> float:
    """max_i max(y_i, 1/y_i) of (7): how far, as a ratio, X_0 is from the solution in its worst
    direction."""
    y = np.linalg.svd(whitened(Q, spectrum, X_0), compute_uv=False) ** 2
    return float(max(y.max(), 1 / y.min()))


def extra_steps(accuracy: float) -> float:
    """What (7) adds to log_4 of the distance before rounding up; 3.86 for 1e-12.

    With c the distance, |q| = (sqrt(c) - 1)/(sqrt(c) + 1) gives log(1/|q|) >= 2/sqrt(c), and by (5)
    the worst direction, which bounds the relative error of the whole, is done once log(1/p) >=
    arcosh(1 + 2/accuracy).
    """
    return float(np.log2(np.arccosh(1 + 2 / accuracy) / 2))


def steps_bound(distance: float, accuracy: float) -> int:
    """(7): enough steps at eta = 1/2 for a relative error below `accuracy`."""
    return max(1, int(np.ceil(np.log(distance) / np.log(4) + extra_steps(accuracy))))


def outside_bound(Q: Array, X_0: Array, X_t: Array, step_size: float, steps: int) -> float:
    """(9): the lower bound on ||X_t X_t^T - A||_F.

    Args:
        Q: an orthonormal basis of range(A), (m, k).
        X_0: the first iterate, (m, r).
        X_t: the iterate after `steps` steps.
        step_size: eta.
        steps: t.
    """
    outside = X_0 - Q @ (Q.T @ X_0)
    return float((1 - step_size) ** steps * np.linalg.norm(outside @ (X_t.T @ Q)))
