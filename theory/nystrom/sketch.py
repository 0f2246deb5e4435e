"""Sketching a weight: the first change of the weight from a Nyström initialization, and the
randomised decomposition.

NoRA (arXiv:2410.18965) initializes a layer W + s B A at A = (xi/s) N W, B = 0, with N standard
normal. With G = dL/dW the gradient of B is s G A^T and that of A is zero, so one step of size 1
changes the weight (over -s^2 or -s) by
    gradient descent:                        G A^T A,                     proportional to xi^2,  (1)
    scaled gradient descent:                 G A^T (A A^T)^-1 A,          free of xi,            (2)
    released NoRA+ within Adam, whose first step is the sign of its input:  sign(G A^T K) A with
    K = (A A^T + 1e-6)^-1 over its Frobenius norm,                        proportional to xi.    (3)

Randomised decomposition (arXiv:0909.4061): a Gaussian sketch, power iterations with
re-orthonormalisation, a small SVD.

Source: (1)-(3) derived here, (3) for the released code's rule.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def gradient_change(G: Array, A: Array) -> Array:
    """(1)."""
    return G @ A.T @ A


def preconditioned_change(G: Array, A: Array) -> Array:
    """(2): G times the projector on the rows of A, from its QR and not from (A A^T)^-1, which
    squares cond(A)."""
    Q = np.linalg.qr(A.T).Q
    return G @ Q @ Q.T


def released_change(G: Array, A: Array) -> Array:
    """(3)."""
    K = np.linalg.inv(A @ A.T + 1e-6 * np.eye(len(A)))
    return np.sign(G @ A.T @ (K / np.linalg.norm(K))) @ A


FIRST_CHANGES = {
    "gradient": gradient_change,
    "preconditioned": preconditioned_change,
    "released": released_change,
}


def spiked_weight(size: int, rng: np.random.Generator) -> Array:
    """A size x size weight: half a Gaussian bulk of unit spectral scale plus 128 spikes 8 k^-0.7
    (fewer if smaller)."""
    spikes = min(128, size // 4)
    U, V = (np.linalg.qr(rng.standard_normal((size, spikes))).Q for _ in range(2))
    bulk = rng.standard_normal((size, size)) / np.sqrt(size)
    return 0.5 * bulk + (U * 8 * np.arange(1, spikes + 1) ** -0.7) @ V.T


def randomized_svd(
    W: Array, rank: int, oversample: int, powers: int, rng: np.random.Generator
) -> tuple[Array, ...]:
    """An approximate singular value decomposition.

    Args:
        W: a weight (out, in).
        rank: singular values asked for.
        oversample: columns of the sketch beyond the rank.
        powers: power iterations.
        rng: draws the sketch.

    Returns: the top U (out, rank), s (rank,) and Vt (rank, in), in W's dtype.
    """
    Omega = rng.standard_normal((W.shape[1], rank + oversample)).astype(W.dtype)
    Q = np.linalg.qr(W @ Omega).Q
    for _ in range(powers):
        Q = np.linalg.qr(W @ np.linalg.qr(W.T @ Q).Q).Q
    U, s, Vt = np.linalg.svd(Q.T @ W, full_matrices=False)
    return Q @ U[:, :rank], s[:rank], Vt[:rank]
