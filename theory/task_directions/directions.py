"""Task-specific directions: the change rates of a weight's singular directions, and what chance
alone makes of them.

W (out, in) with thin SVD W = sum_i sigma_i u_i v_i^T, i = 1..n, n = min(out, in), is changed by D
(out, in). The core bases are the u_i v_i^T, and D has in them the coordinates and the change rates

    a_i = u_i^T D v_i,      delta_i = |a_i| / (sigma_i + eps sigma_1).                           (1)

The directions of the s largest change rates are the task's. (1) keeps of D the share

    phi = sum_i a_i^2 / |D|^2,     1 / max(out, in) on average for a Haar-rotated D.             (2)

How well x predicts y is measured by the overlap of the s largest of x with the m largest of y,

    P(s, m) = |top_s(x) and top_m(y)| / s.                                                       (3)

Suppose D knows nothing of W: |a_i| = g_i of one law, whatever i, and independently for two tasks.
With the thresholds t_s that s change rates exceed on average, sum_i P(g > sigma_i t_s) = s, and up
to the fluctuation of the counts

    P0(s, m) = sum_i P(g > sigma_i t_s) P(g > sigma_i t_m) / s.                                  (4)

A square weight has a hard edge, sigma_(k) = c k for the k-th smallest. There sums over k are
integrals, so that

    sum_k P(g > c k t) = E g / (c t):  the k-th largest change rate falls like 1/k,              (5)
    P0(s, m) = E min(X, q Y),  q = m/s, X and Y independent draws of g / E g,                    (6)
             = 1 + q - sqrt(1 + q^2)  for Gaussian a_i,   = q / (1 + q)  for exponential g,      (7)

and for Gaussian a_i

    mean rank from the bottom of the s task directions  s E g^2 / (2 (E g)^2) = pi s / 4,        (8)
    P(the smallest sigma is not among them) = P(g < E g / s) = erf(1 / (s sqrt(pi))).            (9)

On a flat spectrum, or with |a_i| in place of delta_i, P0 = m / n.                              (10)

So few large change rates, at small singular values but not the smallest, overlapping at 3 - sqrt(5)
= 0.764 for 8 in 16, are what two unrelated changes of a square weight show.

Source: (1) and (3), s = 8 and m = 16, arXiv:2409.01035; eps is not given there. The rest is derived
here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import erfc

Array = NDArray[np.floating]
Indices = NDArray[np.intp]
Survival = Callable[[Array], Array]  # P(g > x) of a law of g >= 0
EPS = 1e-6  # of (1), relative to the largest singular value
HARD_EDGE_MEAN = 3 - np.sqrt(5)  # (7) at q = 2


class Core(NamedTuple):
    """U (out, n), sigma (n,) falling and Vt (n, in) of W."""

    U: Array
    sigma: Array
    Vt: Array


def core(W: ArrayLike) -> Core:
    return Core(*np.linalg.svd(np.asarray(W, float), full_matrices=False))


def coordinates(basis: Core, D: Array) -> Array:
    """a_i of (1), signed, (n,)."""
    return np.sum((basis.U.T @ D) * basis.Vt, axis=1)


def scaled(basis: Core, a: Array, eps: float = EPS) -> Array:
    """delta_i of (1) for coordinates a_i (n,); where W = 0 no direction is its own, and all rates
    are 0."""
    if basis.sigma[0] == 0:
        return np.zeros_like(basis.sigma)
    return np.abs(a) / (basis.sigma + eps * basis.sigma[0])


def rates(basis: Core, D: Array, eps: float = EPS) -> Array:
    """delta_i of (1) for the change D (out, in), (n,)."""
    return scaled(basis, coordinates(basis, D), eps)


def energy(basis: Core, D: Array) -> float:
    """phi of (2)."""
    return float(np.sum(coordinates(basis, D) ** 2) / np.sum(D**2))


def top(scores: Array, count: int) -> Indices:
    """The indices of the `count` largest, the earlier of equal ones first."""
    return np.argsort(-scores, kind="stable")[:count]


def overlap(x: Array, y: Array, s: int, m: int) -> float:
    """(3). Raises ValueError for sizes outside 1..n."""
    if not 1 <= min(s, m) <= max(s, m) <= len(x):
        raise ValueError(
            f"an overlap of {len(x)} directions needs 1 <= s, m <= {len(x)}, got s = {s} and m = "
            f"{m}"
        )
    return len(np.intersect1d(top(x, s), top(y, m))) / s


# --- what chance makes of it: (4) to (10) ---------------------------------------------------------


def half_normal(x: Array) -> Array:
    return erfc(np.asarray(x) / np.sqrt(2))


def exponential(x: Array) -> Array:
    return np.exp(-np.asarray(x))


def threshold(sigma: Array, count: float, survival: Survival = half_normal) -> float:
    """t of (4): that `count` of the rates g_i / sigma_i exceed on average.

    Raises ValueError unless `count` is less than n and more than the number of sigma that are 0,
    whose rates are infinite.
    """
    zeros = int(np.sum(sigma == 0))
    if not zeros < count < len(sigma):
        raise ValueError(f"a threshold needs {zeros} < count < {len(sigma)}, got {count}")
    excess = lambda log: float(np.sum(survival(sigma * np.exp(log)))) - count
    # Below 1e-9 / max every rate exceeds it, to within n eps; at 1e3 / min none does.
    low, high = np.log(1e-9 / sigma.max()), np.log(1e3 / sigma[sigma > 0].min())
    found: Any = brentq(excess, low, high, xtol=1e-13)
    return float(np.exp(found))


def expected_overlap(sigma: Array, s: int, m: int, survival: Survival = half_normal) -> float:
    """(4)."""
    in_s, in_m = (survival(sigma * threshold(sigma, count, survival)) for count in (s, m))
    return float(np.sum(in_s * in_m) / s)


def edge_overlap(q: float, survival: Survival) -> float:
    """(6) by quadrature: the integral of P(X > t) P(q Y > t) over t > 0."""
    mean = quad(survival, 0, np.inf)[0]
    return quad(lambda t: survival(mean * t) * survival(mean * t / q), 0, np.inf)[0]


def gaussian_overlap(q: float) -> float:
    """(7), Gaussian coordinates."""
    return float(1 + q - np.sqrt(1 + q**2))


def exponential_overlap(q: float) -> float:
    """(7), exponential |a_i|."""
    return float(q / (1 + q))


def bottom_rank(s: int) -> float:
    """(8), counted from 0 in the continuum."""
    return float(np.pi * s / 4)


def smallest_left_out(s: int) -> float:
    """(9)."""
    return float(1 - half_normal(np.sqrt(2 / np.pi) / s))


# --- (7) and (8), derived -------------------------------------------------------------------------

ratio = sp.Symbol("q", positive=True)


def derived_overlap(law: str) -> sp.Expr:
    """(6) for the "Gaussian" or "exponential" law: P0 is 0 at q = 0, and dP0/dq = E[Y; q Y < X]."""
    y = sp.Symbol("y", positive=True)
    mean, density, survival = {
        "Gaussian": (
            sp.sqrt(2 / sp.pi),
            sp.sqrt(2 / sp.pi) * sp.exp(-(y**2) / 2),
            sp.erfc(ratio * y / sp.sqrt(2)),
        ),
        "exponential": (sp.Integer(1), sp.exp(-y), sp.exp(-ratio * y)),
    }[law]
    slope: Any = sp.simplify(sp.integrate(y * density * survival, (y, 0, sp.oo)) / mean)
    return sp.simplify(sp.integrate(slope, (ratio, 0, ratio)))


def derived_bottom_rank() -> sp.Expr:
    """(8) over s, Gaussian: the mean of k under the weight P(g > k E g / s), at s = 1."""
    k = sp.Symbol("k", positive=True)
    inside = sp.erfc(k / sp.sqrt(sp.pi))  # E g / sqrt(2) = 1 / sqrt(pi)
    return sp.simplify(
        sp.integrate(k * inside, (k, 0, sp.oo)) / sp.integrate(inside, (k, 0, sp.oo))
    )
