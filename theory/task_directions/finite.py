"""The null of theory.task_directions.directions at finite sizes, exactly: no limit of large s, no
counts in place of their mean.

The rates x_i = g_i / sigma_i are independent, g_i of one law with P(g > x). With N_-i(t) the number
of the others that exceed t, direction i is among the s largest with probability

    p_i(s) = E P(N_-i(x_i) < s),   the expectation over x_i,                                     (1)

N_-i(t) being a sum of independent coins of probabilities P(g > sigma_j t). Two unrelated changes
overlap in the mean by

    P0(s, m) = sum_i p_i(s) p_i(m) / s,                                                          (2)

and of one change the s largest rates have the mean rank from the bottom and the mean logarithms

    sum_i (n - 1 - i) p_i(s) / s,    i = 0 at the largest sigma,                                 (3)
    E log x_(k) = the integral over log t of P(N(t) >= k) - 1(t < 1).                            (4)

theory.task_directions.directions (4) replaces p_i(s) by P(g > sigma_i t_s), and is the limit of (2)
for large s: on the hard edge sigma_(k) = k/n it is .743 for 8 in 16, its own limit .764, and (2) is
.740. Coordinates whose size depends on sigma, |a_i| = h(sigma_i) g_i, are those of a spectrum
sigma_i / h(sigma_i), so that the null depends on h: with h = sqrt that edge counts as sigma_(k) =
sqrt(k/n), and 8 in 16 is .459.

Source: derived here. The distribution of N_-i is taken from its characteristic function at the M-th
roots of unity, M odd, with the factor of i divided out (never 0 at an odd M).
"""

from collections.abc import Sequence

import numpy as np

from theory.task_directions.directions import Array, Survival, half_normal, threshold

STEP = 0.1  # of log t: the trapezoidal rule of smooth functions that vanish at both ends
NARROW = 1e-4  # of log t, over which P(g > x) is differenced: exact to its square
NEGLIGIBLE = 1e-9


def _grid(sigma: Array, count: int, survival: Survival) -> tuple[Array, int]:
    """log t (T + 1,) from where far more than `count` rates exceed it up to where none does, and an
    odd M beyond every number of exceeding rates that occurs there."""
    many = count + 8 * np.sqrt(count) + 20
    n = len(sigma)
    low = (
        np.log(threshold(sigma, many, survival))
        if many < n
        else np.log(threshold(sigma, n * (1 - NEGLIGIBLE), survival))
    )
    high = np.log(threshold(sigma, NEGLIGIBLE, survival))
    logs = np.arange(low, high + STEP, STEP)
    return logs, 2 * (int(min(n + 1, many + 12 * np.sqrt(many))) // 2) + 1


def inclusion(sigma: Array, count: int, survival: Survival = half_normal) -> Array:
    """p_i(count) of (1), (n,).

    Args:
        sigma: singular values (n,), all positive.
        count: s, between 1 and n - 1.
        survival: P(g > x).
    """
    logs, M = _grid(sigma, count, survival)
    roots = np.exp(2j * np.pi * np.arange(M) / M)
    fewer = sum(roots**-c for c in range(count)) / M
    found = np.zeros(len(sigma))
    for log in logs:
        p = survival(sigma * np.exp(log))
        some = p > NEGLIGIBLE / len(sigma)
        factors = 1 + p[some, None] * (roots - 1)
        others = factors.prod(0) / factors
        above, beyond = (survival(sigma[some] * np.exp(log + e)) for e in (-NARROW, NARROW))
        found[some] += (above - beyond) / (2 * NARROW) * STEP * (others @ fewer).real
    return found


def exact_overlap(sigma: Array, s: int, m: int, survival: Survival = half_normal) -> float:
    """(2)."""
    return float(inclusion(sigma, s, survival) @ inclusion(sigma, m, survival) / s)


def exact_bottom_rank(sigma: Array, s: int, survival: Survival = half_normal) -> float:
    """(3)."""
    ranks = np.arange(len(sigma))[::-1]
    return float(ranks @ inclusion(sigma, s, survival) / s)


def mean_logs(sigma: Array, ranks: Sequence[int], survival: Survival = half_normal) -> Array:
    """(4) for ranks k = 1, 2, .. of falling rates."""
    logs, M = _grid(sigma, max(ranks), survival)
    roots = np.exp(2j * np.pi * np.arange(M) / M)
    at_least = []
    for log in logs:
        p = survival(sigma * np.exp(log))
        p = p[p > NEGLIGIBLE / len(sigma)]
        characteristic = (1 + p[:, None] * (roots - 1)).prod(0)
        masses = np.fft.fft(characteristic).real / M
        at_least.append([masses[k:].sum() for k in ranks])
    return logs[0] + np.trapezoid(np.array(at_least), dx=STEP, axis=0)
