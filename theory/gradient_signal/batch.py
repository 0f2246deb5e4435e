"""What a batch makes of the gradient signal: from Q at one token to the gradient's singular
vectors.

A batch. For n independent tokens with the loss their mean, G_n = (1/n) sum g_i x_i^T, and by
counting the n (n - 1) pairs of different tokens, with G = E[g x^T] and Q = E[|g|^2 x x^T],
    E|dL/dB|^2 = s^2 Tr(A M_n A^T),   M_n = Q/n + (1 - 1/n) G^T G,                               (1)
so the best rows of A go from the top eigenvectors of Q (n = 1) to the top right singular vectors of
G. If x and g are independent G = E[g] mu^T has rank one: then all that EVA collects at large n is
noise, and the signal lies along mu.

Linear regression, x ~ N(0, S) and g = D x + e with e of mean 0 and covariance s2 I_k, K = D^T D: by
Isserlis
    Q = c S + 2 S K S,  G = D S,   M_n = (c/n) S + (1 + 1/n) S K S,   c = Tr(K S) + k s2.        (2)
EVA is optimal for all n and r if K commutes with S and S K S is ordered like S (K = I, say). For S
= diag(s) and K = diag(kappa) axis 1 leads for n below, and axis 2 for n above,
    n* = c (s_1 - s_2)/(s_2^2 kappa_2 - s_1^2 kappa_1) - 1;   S = (2, 1), K = (0.1, 1), k s2 =
        4: n* = 23/3,                                                                            (3)
and where K = v_d v_d^T sees the last axis alone, EVA's share of the optimum at n = infinity is
exactly 0.

A counter-example: Cov(x, g) = 0 is not enough. Let x = (2 z_1, z_2) with z standard normal and g =
e 1{|z_2| > c} with a random sign e. Then G = 0, M = diag(4, 1) and, with phi and T the density and
the upper tail of the normal,
    Q = 2 T(c) diag(4, 1 + c phi(c)/T(c)):   EVA's share at rank 1 is min(1, 4/(1 + c
        phi(c)/T(c))),                                                                           (4)
so that EVA picks the wrong axis exactly if c > c* = 1.52839, and its share tends to 0 as 4/c^2.

Source: derived here; the setting is that of arXiv:2410.07170, theorem 3.2.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

Array = NDArray[np.floating]


def batch_moment(Q: Array, G: Array, batch: float) -> Array:
    """(1): M_n (d, d) for G (k, d); `batch` may be infinite."""
    return Q / batch + (1 - 1 / batch) * G.T @ G


def regression(S: Array, D: Array, noise: float) -> tuple[Array, Array]:
    """(2): Q (d, d) and G (k, d) for D (k, d) and noise s2, the variance of each entry of e."""
    K = D.T @ D
    c = float(np.trace(K @ S)) + len(D) * noise
    return c * S + 2 * S @ K @ S, D @ S


def flip_batch(s: ArrayLike, kappa: ArrayLike, noise: float) -> float:
    """(3): n* for two axes, s_1 > s_2 and s_2^2 kappa_2 > s_1^2 kappa_1; `noise` is k s2."""
    s, kappa = np.asarray(s, float), np.asarray(kappa, float)
    lead = s**2 * kappa
    return float((kappa @ s + noise) * (s[0] - s[1]) / (lead[1] - lead[0]) - 1)


def tail_square(c: float) -> float:
    """E[z^2 | |z| > c] = 1 + c phi(c)/T(c) for a standard normal z."""
    density = np.exp(-(c**2) / 2) / np.sqrt(2 * np.pi)
    return float(1 + c * density / special.ndtr(-c))


def censored(c: float) -> Array:
    """(4): Q (2, 2) of the counter-example."""
    return 2 * special.ndtr(-c) * np.diag([4.0, tail_square(c)])


def censored_share(c: float) -> float:
    """(4): EVA's share of the gradient signal at rank 1."""
    return min(1.0, 4 / tail_square(c))


def censored_threshold() -> float:
    """(4): c*, beyond which EVA picks the wrong axis."""
    root: Any = optimize.brentq(lambda c: tail_square(c) - 4, 0.5, 4, xtol=1e-14)
    return float(root)
