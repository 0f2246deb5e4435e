"""What "accelerates fine-tuning" can mean: the risk of a frozen A after some steps of gradient
descent on B, when EVA's rows have the least, and when not.

Setting. Squared error on a target change D (k, d) of the weight, M = E[x x^T] with eigenvalues
lambda_1 >= lambda_2 >= ..., B = 0 at first, A (r, d) frozen, eta the learning rate. A step is
    B' = B + eta (D - B A) M A^T.
With A M^(1/2) = U S V^T (V of r orthonormal columns, S of values sigma_i) and E[D^T D] = I the
expected risk E|D x - B_t A x|^2 after t steps is
    R_t(A, eta) = Tr M - sum_i f_t(sigma_i^2) v_i^T M v_i,   f_t(a) = 1 - (1 - eta a)^(2 t):     (1)
D M^(1/2) is left as it was outside of V, and shrinks by 1 - eta sigma_i^2 a step along v_i.

One learning rate for all. For orthonormal A, every t and every eta <= 1/lambda_1,
    R_t(A, eta) >= R_t(EVA, eta) = sum_{i>r} lambda_i + sum_{i<=r} lambda_i (1 - eta
        lambda_i)^(2 t),                                                                         (2)
EVA without centring. For sigma_i^2 <= lambda_i (Cauchy's interlacing) and f_t grows on [0,
1/lambda_1], so the sum in (1) is at most sum_i f_t(lambda_i) v_i^T M v_i; the factors f_t(lambda_i)
descend, and the sum of the first j of v_i^T M v_i is at most lambda_1 + ... + lambda_j (Ky Fan), so
summation by parts gives (2). At small eta t it says that the largest E|A x|^2 descends first: at
t = 1 the gain is 2 eta sum lambda_i^2 + O(eta^2).

Its own learning rate for each. Then (2) fails in two ways:
    rows of other lengths: with A = diag(lambda)^(-1/2) V_r^T (whitened EVA) and eta = 1 one step
        leaves sum_{i>r} lambda_i, the least of any A and t; EVA needs lambda_1 = lambda_r for that;
    orthonormal rows: M = diag(4, 1, 0), r = 2, rows (1/2, 0, sqrt(3)/2) and (0, 1, 0): A M A^T = I,
        and one step at eta = 1 leaves 0, where EVA's best first step leaves 5 - 17^2/65.        (3)
The best learning rate of one step is sum a_i m_i/sum a_i^2 m_i with a = sigma^2, m_i = v_i^T M v_i:
    min_eta R_1(A, eta) = Tr M - (sum a_i m_i)^2/sum a_i^2 m_i.                                  (4)

Source: derived here. arXiv:2410.07170 says that EVA accelerates fine-tuning and proves (2) of
theory.gradient_signal.optimum, which is the first step of (2) at eta -> 0 for the gradient of a
token. A that is trained too, Adam, and targets that are not isotropic are not covered.
"""

import numpy as np
from numpy.typing import NDArray

from theory.gradient_signal.optimum import eigen

Array = NDArray[np.floating]


def _modes(A: Array, M: Array) -> tuple[Array, Array]:
    """sigma_i^2 and v_i^T M v_i of (1)."""
    values, vectors = np.linalg.eigh(M)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    _, S, Vh = np.linalg.svd(A @ root, full_matrices=False)
    return S**2, np.einsum("ij,jk,ik->i", Vh, M, Vh)


def risk_after(A: Array, M: Array, rate: float, steps: int) -> float:
    """(1)."""
    squares, moments = _modes(A, M)
    return float(np.trace(M) - ((1 - (1 - rate * squares) ** (2 * steps)) * moments).sum())


def least_risk_after(M: Array, rank: int, rate: float, steps: int) -> float:
    """(2): the least of all orthonormal A, for rates up to 1/lambda_1."""
    values = eigen(M)[0]
    kept, lost = values[:rank], values[rank:]
    return float(lost.sum() + (kept * (1 - rate * kept) ** (2 * steps)).sum())


def least_first_risk(A: Array, M: Array) -> float:
    """(4): after one step at A's own best learning rate."""
    squares, moments = _modes(A, M)
    first, second = squares @ moments, squares**2 @ moments
    return float(np.trace(M) - (first**2 / second if second else 0.0))


def whitened(M: Array, rank: int) -> Array:
    """(3): EVA's rows, each divided by the root of its eigenvalue, for M of that rank at least."""
    values, vectors = eigen(M)
    return vectors[:rank] / np.sqrt(values[:rank, None])


def even_rows() -> tuple[Array, Array]:
    """(3): M and the orthonormal rows that reach risk 0 in one step."""
    return np.diag([4.0, 1.0, 0.0]), np.array([[0.5, 0.0, np.sqrt(0.75)], [0.0, 1.0, 0.0]])
