"""When training B alone is better than training A alone, and when it is nearly as good as training
both: "inherently better" and "nearly as good" of the abstract of arXiv:2402.16842, with conditions.

Setting of theory.asymmetry.frozen_factor at H = 1: lambda_1 >= .. >= lambda_in > 0 the eigenvalues
of S, c_i = lambda_i |D v_i|^2 with the sum T, Q a random frozen A (Gaussian or Haar, r < in), P the
projector on the rows of Q S^1/2. A sign or an exchange of the columns q_i of Q, in the eigenvectors
of S, leaves the law of Q as it is. The signs leave nothing of P off the diagonal on average, so at
every size

    E III_B = sum_i c_i p_i,   p_i = E P_ii,   sum_i p_i = r,                                    (1)

with P_ii = lambda_i h / (1 + lambda_i h), h = q_i^T (sum_k!=i lambda_k q_k q_k^T)^-1 q_i,       (2)

which grows with lambda_i and falls with every other eigenvalue. With Q' for Q with its columns i
and j exchanged, draw by draw,

    P_ii(Q) >= P_jj(Q') where lambda_i >= lambda_j, so p_i >= p_j, and > where lambda_i is larger.
                                                                                                 (3)
Better. Where in <= out and c_i is ordered as lambda_i, Chebyshev's sum inequality gives

    E III_B >= (r / in) T >= (r / out) T = E III_A:                                              (4)

for a change without preferred inputs (c_i ~ lambda_i), say, and then strictly unless all lambda_i
are equal. For every change it is so only where p_in >= r / out, by the change on the weakest input
alone. On a square layer that leaves S ~ 1, where nothing is gained:

    min_i p_i <= r / in, and < unless all lambda_i are equal.                                    (5)

So no square layer has a B that is better for every wanted change: better is a property of the
change and the inputs together.

Nearly as good. For a change without preferred inputs and a Gaussian Q of r >= k + 2 rows

    T - E III_B <= (r - 1) / (r - k - 1) (T - sum_i<=k c_i)                                      (6)

(theorem 10.5 of arXiv:0909.4061): at r = 2 k + 1 twice what the k strongest inputs leave. Without
that condition there is no such bound: with equal inputs and D of rank one both factors explain T at
rank one, and B alone

    E III_B = (r / in) T.                                                                        (7)

Source: derived here, but for (6).
"""

import itertools

import numpy as np
from numpy.typing import ArrayLike

from theory.asymmetry.frozen_factor import Array


def captured(values: Array, Q: Array) -> Array:
    """P_ii of (1) for eigenvalues (in,) and each of some Q (.., r, in)."""
    bases = np.linalg.qr((Q * np.sqrt(values)).swapaxes(-1, -2)).Q
    return np.sum(bases**2, -1)


def captured_alone(values: Array, Q: Array, i: int) -> float:
    """P_ii by (2), for r < in."""
    rest = np.delete(np.arange(len(values)), i)
    others = (Q[:, rest] * values[rest]) @ Q[:, rest].T
    h = float(Q[:, i] @ np.linalg.solve(others, Q[:, i]))
    return float(values[i] * h / (1 + values[i] * h))


def symmetric_shares(values: Array, Q: Array) -> Array:
    """The mean of P_ii over all signed permutations of the columns of Q (r, in), a law with the
    symmetry of the Gaussian one: (1), (3), (4) and (5) are true of it without sampling error."""
    size = len(values)
    orders = np.array(list(itertools.permutations(range(size))))
    signs = np.array(list(itertools.product((1,), *[(1, -1)] * (size - 1))))  # one is common to all
    every = Q[:, orders].swapaxes(0, 1)[:, None] * signs[:, None]
    return captured(values, every).mean((0, 1))


def left_at_most(values: ArrayLike, rank: int) -> float:
    """(6) over T for c_i ~ lambda_i, at the best k; at most 1."""
    values = np.sort(np.asarray(values, float))[::-1]
    bounds = [
        (rank - 1) / (rank - k - 1) * values[k:].sum() / values.sum() for k in range(rank - 1)
    ]
    return float(min(bounds, default=1.0))
