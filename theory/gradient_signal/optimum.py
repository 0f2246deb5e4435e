"""The gradient signal of a LoRA initialization with B = 0: what it is, which rows of A maximise it,
and when EVA's do.

Setting. One layer h = W x + s B A x with A (r, d); x (d,) its input at a token, g = dL/dh (k,) that
token's gradient, and M = E[x x^T], mu = E[x], C = M - mu mu^T with eigenvalues lambda_1 >= lambda_2
>= ..., G = E[g x^T].

The signal. At B = 0
    dL/dB = s g x^T A^T and dL/dA = 0,  so  E|dL/dB|^2 = s^2 Tr(A Q A^T),  Q = E[|g|^2 x x^T],   (1)
always. Over all A with singular values a_1 >= ... >= a_r (orthonormal rows: all 1)
    max Tr(A Q A^T) = sum_{i<=r} a_i^2 lambda_i(Q), at A = O diag(a) V_r^T with O orthogonal (von
        Neumann, Ky Fan),                                                                        (2)
but over the ball |A|_F^2 <= r it is r lambda_1(Q), at r copies of the first row: without A A^T = I
no EVA.

When EVA is optimal.
    Q = E|g|^2 M + D,  D_ij = Cov(|g|^2, x_i x_j),                                               (3)
so EVA, the top eigenspace of M, is optimal if D = 0: a condition on fourth moments, which Cov(x, g)
= 0 is not. For any symmetric N and V_N its top r eigenvectors, with K_r(.) the sum of the r largest
eigenvalues,
    0 <= K_r(Q) - Tr(V_N^T Q V_N) <= K_r(Q - N) + K_r(N - Q) <= 2 r |Q - N|_2:                   (4)
with N = E|g|^2 M the price of D, with N a sample's estimate the price of sampling.

Centring. The code of EVA takes N = C. With P the projector on its top r eigenspace, the price of
centring in Tr(A M A^T) is bounded on both sides,
    max(0, |(I - P) mu|^2 - lambda_r(C)) <= K_r(M) - Tr(P M) <= |(I - P) mu|^2.                  (5)
Upper: K_r(C + mu mu^T) <= K_r(C) + |mu|^2. Lower: exchange v_r for the direction of (I - P + v_r
v_r^T) mu.

Size. The default initialization has A_ij ~ U(-1/sqrt(d), 1/sqrt(d)), variance 1/(3 d) and excess
kurtosis -6/5, so with S for Q or M
    E Tr(A S A^T) = r Tr(S)/(3 d),   Var = r (2 |S|_F^2 - (6/5) sum S_ii^2)/(9 d^2),             (6)
    K_r(S) / E Tr(A S A^T) = 3 (d/r) EVR_r,  EVR_r = K_r(S)/Tr(S):                               (7)
3 is the length of the rows, (d/r) EVR_r their direction.

Several layers. The sum of their signals with ranks r_l is
    sum_l sum_{j<=r_l} lambda_j(Q_l), greatest under sum r_l <= R for the R largest of all
        eigenvalues,                                                                             (8)
which is greedy on E|g_l|^2 lambda_j(M_l) if D = 0, and on explained variance only if E|g_l|^2
Tr(M_l) is equal.

Source: (1), (2) and the use of M arXiv:2410.07170 (theorems 3.1, 3.2); conditions and (3)-(8) are
derived here.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def eigen(S: Array) -> tuple[Array, Array]:
    """Eigenvalues of a symmetric S, the largest first, and the eigenvectors as rows."""
    values, vectors = np.linalg.eigh((S + S.T) / 2)
    return values[::-1], vectors[:, ::-1].T


def spectrum(S: Array) -> Array:
    """Eigenvalues alone of a symmetric S, the largest first."""
    return np.linalg.eigvalsh((S + S.T) / 2)[::-1]


def ky_fan(S: Array, rank: int) -> float:
    """K_r(S): the sum of the r largest eigenvalues, the maximum of Tr(A S A^T) over A A^T = I."""
    return float(spectrum(S)[:rank].sum())


def top(S: Array, rank: int) -> Array:
    """Rows (r, d) that span the top eigenspace of S."""
    return eigen(S)[1][:rank]


def signal(A: Array, S: Array) -> float:
    """(1) without s^2: Tr(A S A^T)."""
    return float(((A @ S) * A).sum())


def best(A: Array, S: Array) -> float:
    """(2): the greatest Tr(X S X^T) over X with the singular values of A, for S positive
    semidefinite."""
    return _best(A, spectrum(S))


def _best(A: Array, values: Array) -> float:
    a = np.linalg.svd(A, compute_uv=False)
    return float(a**2 @ values[: len(a)])


def best_in_ball(S: Array, rank: int) -> float:
    """The greatest Tr(A S A^T) over |A|_F^2 <= r."""
    return float(rank * spectrum(S)[0])


def share(A: Array, S: Array) -> float:
    """Tr(A S A^T) as a part of (2): what the directions of A are worth, whatever their lengths."""
    return shares([A], S)[0]


def shares(As: Sequence[Array], S: Array) -> list[float]:
    """`share` of each A, from one spectrum of S."""
    values = spectrum(S)
    return [signal(A, S) / _best(A, values) for A in As]


def dependence(g: Array, x: Array) -> Array:
    """D of (3), (d, d), for tokens g (n, k) and x (n, d) that each weigh 1/n."""
    square = (g**2).sum(1)
    return (x * (square - square.mean())[:, None]).T @ x / len(x)


def loss_bound(Q: Array, N: Array, rank: int) -> float:
    """(4): at most so much of K_r(Q) is missed by the top r eigenvectors of N."""
    return ky_fan(Q - N, rank) + ky_fan(N - Q, rank)


def centring(C: Array, mu: Array, rank: int) -> tuple[float, float, float]:
    """(5): the lower bound, the gap itself and the upper bound."""
    values, vectors = eigen(C)
    V, M = vectors[:rank], C + np.outer(mu, mu)
    outside = float(mu @ mu - (V @ mu) @ (V @ mu))
    return max(0.0, outside - float(values[rank - 1])), ky_fan(M, rank) - signal(V, M), outside


def default_signal(S: Array, rank: int) -> tuple[float, float]:
    """(6): mean and variance of Tr(A S A^T) over the default initialization of A."""
    d = len(S)
    spread = 2 * (S**2).sum() - 1.2 * (np.diag(S) ** 2).sum()
    return rank * float(np.trace(S)) / (3 * d), rank * float(spread) / (9 * d**2)


def amplification(S: Array, rank: int) -> float:
    """(7): the best signal over the mean of the default initialization's."""
    return ky_fan(S, rank) / default_signal(S, rank)[0]


def allocation(spectra: Sequence[Array], budget: int) -> tuple[list[int], float]:
    """(8): the best division of a budget of ranks.

    Args:
        spectra: eigenvalues (d_l,) of each layer, descending and not negative.
        budget: the sum of the ranks.

    Returns: the ranks, and the sum of the eigenvalues that they take.
    """
    layers = np.repeat(np.arange(len(spectra)), [len(s) for s in spectra])
    values = np.concatenate(spectra)
    taken = np.argsort(-values, kind="stable")[:budget]
    return np.bincount(layers[taken], minlength=len(spectra)).tolist(), float(values[taken].sum())
