"""The maximum cycle mean of a max-plus linear recursion x_i <- max_j (M_ij + x_j), in rationals.

It is the recursion's growth rate: the largest exponent of x_t is the mean times t, up to a
constant. The orders of magnitude that follow the recursion stay bounded for every number of steps
if and only if it is at most 0.
"""

import math
from fractions import Fraction

Entry = Fraction | float  # -math.inf: no edge
Matrix = tuple[tuple[Entry, ...], ...]


def maximum_cycle_mean(M: Matrix) -> Entry:
    """Karp's formula max_i min_k (d_m(i) - d_k(i)) / (m - k), d_k(i) the heaviest walk of k edges
    that ends in i.

    M is (m, m), M_ij the weight of the edge from j to i; -inf where there is no cycle. A walk may
    begin anywhere, as from a further vertex with edges of weight 0 to all.
    """
    m = len(M)
    walks: list[list[Entry]] = [[Fraction(0)] * m]
    for _ in range(m):
        walks.append([max(M[i][j] + walks[-1][j] for j in range(m)) for i in range(m)])
    return max(
        min((walks[m][i] - walks[k][i]) / (m - k) for k in range(m))
        if walks[m][i] != -math.inf
        else -math.inf
        for i in range(m)
    )
