"""What EVA's rows are the best for: the risk of a frozen A and the kernel at B = 0; and how well a
sample finds them.

A frozen A (r, d), squared error, target change D (k, d) of the weight, M = E[x x^T] of full rank.
Over all B
    min_B E|D x - B A x|^2 = Tr(D R D^T),  R = M - M A^T (A M A^T)^-1 A M,                       (1)
which depends on A through its row space alone. For a random D with E[D^T D] = kappa I the mean is
kappa Tr R, and
    min_A kappa Tr R = kappa sum_{i>r} lambda_i(M), at the top eigenspace of M:                  (2)
R = M^(1/2) (I - P) M^(1/2) with P the projector on the rows of A M^(1/2), so Tr R = Tr M - Tr(P M),
and Ky Fan. EVA without centring is Bayes optimal, whatever its lengths. For a known D the best rows
are
    V_r^T M^(-1/2) with D M^(1/2) = U S V^T, and the risk sum_{i>r} S_i^2 (Eckart and Young):    (3)
no initialization blind to D attains it in general.

The kernel. At B = 0 the tangent kernel of the layer is s^2 x^T A^T A x' I_k. On inputs X (n, d) = U
S V^T, A = V_r^T gives
    X A^T A X^T = U_r S_r^2 U_r^T, the best rank-r approximation of X X^T in every unitarily
        invariant norm,                                                                          (4)
at a distance of S_{r+1}^2 in the spectral norm; rows divided by S_i give U_r U_r^T, where all kept
directions learn at one rate.

A sample. Two independent halves, with top subspaces V_1 and V_2 and a the mean cos^2 of their
angles:
    mean sin^2 of the whole sample's subspace against the population's = (1 - a)/4 to first
        order,                                                                                   (5)
because the halves err independently, each by twice the square error of the whole.

Source: derived here; (4) corrects the kernel argument of arXiv:2410.07170, (5) replaces its
stopping rule.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def residual(A: Array, M: Array) -> Array:
    """R of (1), (d, d)."""
    AM = A @ M
    return M - AM.T @ np.linalg.solve(AM @ A.T, AM)


def frozen_risk(A: Array, M: Array, D: Array) -> float:
    """(1): the least E|D x - B A x|^2 over B."""
    return float(np.trace(D @ residual(A, M) @ D.T))


def bayes_risk(A: Array, M: Array, kappa: float) -> float:
    """kappa Tr R: the mean of (1) over D with E[D^T D] = kappa I."""
    return kappa * float(np.trace(residual(A, M)))


def least_bayes_risk(M: Array, rank: int, kappa: float) -> float:
    """(2)."""
    return kappa * float(np.linalg.eigvalsh(M)[: len(M) - rank].sum())


def oracle_rows(M: Array, D: Array, rank: int) -> tuple[Array, float]:
    """(3): the best rows (r, d) for a known D, and their risk."""
    values, vectors = np.linalg.eigh(M)
    root = (vectors * np.sqrt(values)) @ vectors.T
    _, S, Vh = np.linalg.svd(D @ root)
    return np.linalg.solve(root, Vh[:rank].T).T, float((S[rank:] ** 2).sum())


def kernel(A: Array, X: Array) -> Array:
    """(4): X A^T A X^T (n, n), the tangent kernel at B = 0 for one output and s = 1."""
    Y = X @ A.T
    return Y @ Y.T


def cosines(A: Array, B: Array) -> Array:
    """Cosines of the principal angles between the rows of A and of B, the largest first."""
    first, second = (np.linalg.qr(rows.T).Q for rows in (A, B))
    return np.linalg.svd(first.T @ second, compute_uv=False).clip(max=1)


def largest_angle(A: Array, B: Array) -> float:
    """The largest principal angle in degrees, by its sine: the cosine of a small one is 1 to
    rounding."""
    first, second = (np.linalg.qr(rows.T).Q for rows in (A, B))
    sine = np.linalg.norm(first - second @ (second.T @ first), 2)
    return float(np.degrees(np.arcsin(min(sine, 1.0))))


def mean_square_sine(A: Array, B: Array) -> float:
    return float(1 - (cosines(A, B) ** 2).mean())


def split_half_error(A_1: Array, A_2: Array) -> float:
    """(5): the mean sin^2 to expect of the pooled subspace, from those of two independent
    halves."""
    return mean_square_sine(A_1, A_2) / 4
