"""How far the slope that finite widths show can lie from the exponent of the calculus.

A quantity that the calculus calls n^e is a sum of positive powers,

    q(n) = k n^e (1 + sum_i k_i n^(-g_i)),    g_i >= g > 0,    sum_i k_i <= K.                   (1)

With x = log n and y = log q, the least-squares slope over the widths n_1 < ... < n_m is a mean of
the slopes between neighbouring widths,

    sum_j w_j (y_(j+1) - y_j) / (x_(j+1) - x_j),
    w_j = (x_(j+1) - x_j) sum_(i > j) (x_i - mean x) / sum_i (x_i - mean x)^2 > 0.               (2)

A difference y_(j+1) - y_j is the logarithm of a quotient of two affine functions of (k_i). Such a
quotient takes its extremes over the simplex sum_i k_i <= K, k_i >= 0 at its corners: one lower
power with k_i = K, or none. The slope is therefore in

    [e - slack, e],    slack = sum_j w_j max_i (log(1 + K n_j^(-g_i)) - log(1 + K n_(j+1)^(-g_i)))
                                          / (x_(j+1) - x_j).                                     (3)

A learning rate at which such a sum of powers of it reaches a threshold obeys the same: let eta =
n^c u solve u^p (1 + sum_i k_i n^(-g_i) u^(p_i - p)) = 1 with p, p_i in {1, 2}. Then d log u / d log
n = sum_i g_i t_i / (p u^p + sum_i p_i t_i) for t_i = k_i n^(-g_i) u^(p_i), and with one lower power

    0 <= d log u / d log n <= g_1 K n^(-g_1) / (1 + K n^(-g_1))   where K n^(-g_1) <= 3/2.       (4)

The gaps of the calculus are multiples of 1/4. It drops constants, whose ratio (3) needs: what
remains of them is the number of terms that a sum over the rank or over the steps has.

Source: derived here.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from theory.lr_stability.orders import HALF

STEP = 0.25  # between the gaps of the calculus
GAPS = 16  # lower powers that are tried: further ones are below rounding at any width in use


def slack(sizes: Sequence[int], ratio: float, gap: Fraction = HALF) -> float:
    """(3): how far below the exponent a slope over these sizes can lie.

    Args:
        sizes: the widths, at least two, ascending.
        ratio: K, of the lower powers' constants to that of the leading one.
        gap: g, the least distance of a lower power.

    Raises: ValueError for sizes that do not ascend or a gap of 0.
    """
    x = np.log2(np.asarray(sizes, float))
    if len(x) < 2 or not (np.diff(x) > 0).all():
        raise ValueError(f"a slope needs at least two ascending sizes, got {list(sizes)}")
    if gap <= 0:
        raise ValueError(f"a lower power needs a gap above 0, got {gap}")
    gaps = float(gap) + STEP * np.arange(GAPS)
    logs = np.log2(1 + ratio * 2 ** -np.outer(gaps, x))
    centred = x - x.mean()
    after = centred[::-1].cumsum()[::-1][1:]  # sum over i > j
    return float(after @ (logs[:, :-1] - logs[:, 1:]).max(0) / (centred @ centred))
