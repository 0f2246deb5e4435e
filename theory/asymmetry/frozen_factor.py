"""One factor of B A frozen: what the other can still explain, and which of the two it is better to
freeze.

A change C = B A of a linear layer approximates a wanted change D (out x in). Inputs have second
moment S (in x in), and the loss is quadratic in the layer's output with curvature H (out x out, the
identity for squared error there):

    L(C) = Tr[H (D - C) S (D - C)^T] + const,    T = L(0) - const = Tr[H D S D^T].               (1)

S is E[x x^T], uncentred, as an adapter has no bias of its own; it is the covariance where inputs
have mean zero. With A = Q frozen and B trained (Q is r x in; full rank is enough, only its row
space counts):

    B* = D S Q^T (Q S Q^T)^+,    L(B* Q) = const + T - III_B,    III_B = |H^1/2 D S^1/2 P|^2,    (2)

P the orthogonal projector on the row space of Q S^1/2. With B = U frozen (out x r) and A trained,
all of it is transposed:

    A* = (U^T H U)^+ U^T H D = U^+ D at H = 1, free of S,    III_A = |P' H^1/2 D S^1/2|^2,       (3)

P' the projector on the column space of H^1/2 U. With both trained, the explained part is the sum of
the top r squared singular values

    of H^1/2 D S^1/2, which the frozen Q = V_r^T S^-1/2, or U = H^-1/2 U_r, attains as well.     (4)

For a random frozen factor (Haar or Gaussian), (lambda_i, v_i) the eigenpairs of S and c_i =
lambda_i v_i^T D^T H D v_i,

    E III_B ~ sum_i c_i p_i,   p_i = lambda_i / (lambda_i + gamma),   gamma from sum_i p_i = r,  (5)

a deterministic equivalent (exact at in = 2, r = 1; always at most T). III_A has the same form with
the spectrum of H, so that

    E III_A = (r / out) T exactly at H = 1, for every D and S.                                   (6)

Where r is far below the participation ratio (Tr S)^2 / Tr S^2, p_i = r lambda_i / Tr S. Then
freezing A is better iff

    (Tr[H D S^2 D^T] / T) / Tr S  >=  (Tr[H^2 D S D^T] / T) / Tr H,
        at H = 1  kappa out / Tr S >= 1.                                                         (7)

At any rank and H = 1 it is no worse where in <= out and c_i is ordered as lambda_i, at every size
(theory.asymmetry.guarantees (4)).                                                               (8)
Where rank S <= r, III_B = T; where rank H <= r (few outputs), III_A = T: nothing is lost.       (9)

Source: the setting and (2), (3) at H = 1 and centred inputs, arXiv:2402.16842, section 4; the rest
is derived here. Its Theorem 4.3, "training B alone loses no more", needs a condition such as (7) or
(8): it is false without.
"""

from typing import Any, NamedTuple

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

Array = NDArray[np.float64]
EPS = float(np.finfo(float).eps)


class Problem(NamedTuple):
    """D (out, in), S (in, in) and H (out, out) of (1); S and H symmetric positive semidefinite."""

    D: Array
    S: Array
    H: Array

    @property
    def mirrored(self) -> "Problem":
        """The problem in which inputs and outputs, and with them A^T and B, have changed places."""
        return Problem(self.D.T, self.H, self.S)


def least_squares(D: ArrayLike, S: ArrayLike) -> Problem:
    """The paper's problem: squared error at the layer's own output, H = 1."""
    D = np.asarray(D, float)
    return Problem(D, np.asarray(S, float), np.eye(len(D)))


def spectrum(S: Array) -> tuple[Array, Array]:
    """Eigenvalues, largest first, and eigenvectors in columns; what rounding alone leaves of S
    counts as 0."""
    values, vectors = np.linalg.eigh(S)
    values, vectors = values[::-1], vectors[:, ::-1]
    return np.where(values > len(values) * EPS * abs(values[0]), values, 0.0), vectors


def root(S: Array) -> Array:
    """The symmetric S^1/2."""
    values, V = spectrum(S)
    return (V * np.sqrt(values)) @ V.T


def weighted(problem: Problem) -> Array:
    """H^1/2 D S^1/2, of squared norm T."""
    return root(problem.H) @ problem.D @ root(problem.S)


def total(problem: Problem) -> float:
    """T of (1)."""
    return float(np.sum(weighted(problem) ** 2))


def loss(problem: Problem, change: Array) -> float:
    """L(change) - const of (1)."""
    return total(problem._replace(D=problem.D - change))


def best_B(problem: Problem, Q: Array) -> Array:
    """(2): B* (out, r) for the frozen A = Q (r, in)."""
    half = root(problem.S)
    return problem.D @ half @ np.linalg.pinv(Q @ half)


def best_A(problem: Problem, U: Array) -> Array:
    """(3): A* (r, in) for the frozen B = U (out, r)."""
    return best_B(problem.mirrored, U.T).T


def explained_B(problem: Problem, Q: Array) -> float:
    """(2): III_B, what training B removes from the loss while A = Q (r, in) is frozen."""
    _, s, Vt = np.linalg.svd(Q @ root(problem.S), full_matrices=False)
    basis = Vt[s > max(Q.shape) * EPS * s[0]]
    return float(np.sum((weighted(problem) @ basis.T) ** 2))


def explained_A(problem: Problem, U: Array) -> float:
    """(3): III_A, what training A removes while B = U (out, r) is frozen."""
    return explained_B(problem.mirrored, U.T)


def explained_both(problem: Problem, rank: int) -> float:
    """(4)."""
    return float(np.sum(np.linalg.svd(weighted(problem), compute_uv=False)[:rank] ** 2))


def best_Q(problem: Problem, rank: int) -> Array:
    """(4): the frozen A (r, in) with which training B alone is as good as training both."""
    values, V = spectrum(problem.S)
    inverse = np.divide(1, np.sqrt(values), out=np.zeros_like(values), where=values > 0)
    return np.linalg.svd(weighted(problem))[2][:rank] @ (V * inverse) @ V.T


def best_U(problem: Problem, rank: int) -> Array:
    """(4): the frozen B (out, r) with which training A alone is as good as training both."""
    return best_Q(problem.mirrored, rank).T


def shares(values: ArrayLike, rank: int) -> Array:
    """(5): p_i of eigenvalues values >= 0; all that is there where no more than `rank` of them are
    positive.

    Raises ValueError for a rank below 1 or a negative eigenvalue.
    """
    values = np.asarray(values, float)
    if rank < 1 or values.min() < 0:
        raise ValueError(
            f"shares needs a rank of at least 1 and eigenvalues >= 0, got {rank} and "
            f"{values.min():g}"
        )
    alive = values[values > 0]
    if len(alive) <= rank:
        return (values > 0).astype(float)
    # Both ends by bounding every p_i: from below with the least eigenvalue, from above with
    # lambda_i / gamma.
    low, high = np.log(alive.min() * (len(alive) - rank) / rank), np.log(alive.sum() / rank)
    excess = lambda log: float(np.sum(alive / (alive + np.exp(log)))) - rank
    # The margins are for a flat spectrum, where low = high.
    log_gamma: Any = brentq(excess, low - 1e-9, high + 1e-9, xtol=1e-14)
    return values / (values + np.exp(log_gamma))


def contributions(problem: Problem) -> tuple[Array, Array]:
    """lambda_i, the eigenvalues of S, and c_i of (5); the c_i add up to T."""
    values, V = spectrum(problem.S)
    return values, values * np.sum((root(problem.H) @ problem.D @ V) ** 2, 0)


def expected_B(problem: Problem, rank: int) -> float:
    """(5): III_B for a random frozen A."""
    values, c = contributions(problem)
    return float(c @ shares(values, rank))


def expected_A(problem: Problem, rank: int) -> float:
    """(5), and (6) at H = 1: III_A for a random frozen B."""
    return expected_B(problem.mirrored, rank)


def far_sparse_B(problem: Problem, rank: int) -> float:
    """The limit of (5) behind (7), r Tr[H D S^2 D^T] / Tr S: may exceed T where the rank is not
    small enough."""
    values, c = contributions(problem)
    return float(rank * (c @ values) / values.sum())


def sign_statistic(problem: Problem) -> float:
    """(7), its left side over its right side: above 1 freeze A, below 1 freeze B, if r is far below
    the spectra's participation ratios. At H = 1 this is kappa out / Tr S with kappa = Tr[D S^2 D^T]
    / Tr[D S D^T]."""
    return far_sparse_B(problem, 1) / far_sparse_B(problem.mirrored, 1)


def participation(S: Array) -> float:
    """(Tr S)^2 / Tr S^2: how many directions an equal spectrum of this spread would have."""
    return float(np.trace(S) ** 2 / np.sum(S**2))


def ordered(problem: Problem) -> bool:
    """Whether (8) applies: in <= out, H = 1 (or any multiple), and c_i never grows while lambda_i
    falls."""
    values, c = contributions(problem)
    out = len(problem.H)
    flat = np.allclose(
        problem.H, problem.H[0, 0] * np.eye(out), rtol=0, atol=out * EPS * abs(problem.H[0, 0])
    )
    return flat and len(values) <= out and bool(np.all(np.diff(c) <= 0))


# --- (5) is exact for one row in the plane -------------------------------------------------------

angle, first, second = sp.symbols("theta lambda_1 lambda_2", positive=True)


def share_in_the_plane() -> sp.Expr:
    """E p_1 for one row Q = (cos t, sin t) of uniform t and S = diag(lambda_1, lambda_2), by the
    integral.

    P's first diagonal entry is lambda_1 cos^2 t / (lambda_1 cos^2 t + lambda_2 sin^2 t); with u =
    tan t the mean over a quarter turn is the integral of (2/pi) lambda_1 / ((lambda_1 + lambda_2
    u^2)(1 + u^2)) over u > 0.
    """
    # the square roots, without which the antiderivative splits by case
    u, a, b = sp.symbols("u a b", positive=True)
    parts: Any = sp.apart(a**2 / ((a**2 + b**2 * u**2) * (1 + u**2)), u)
    mean: Any = sp.Add(*(sp.integrate(part, (u, 0, sp.oo)) for part in sp.Add.make_args(parts)))
    share: Any = sp.factor(sp.simplify(2 / sp.pi * mean))
    return share.subs({a: sp.sqrt(first), b: sp.sqrt(second)})
