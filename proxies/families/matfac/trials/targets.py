"""Targets M of the factorisation problem, and the one reduction that keeps a tall one cheap."""

import numpy as np
import torch
from torch import Generator, Tensor

from proxies.instruments.digits import digits

SPECTRA = {"gauss": None, "ill": 100.0, "well": 1.0}
"""name -> condition number of an exactly rank-r target; None: the full-rank spectrum of a Gaussian
matrix."""


def target(name: str, rows: int, columns: int, rank: int, seed: int) -> Tensor:
    """M (rows, columns) in float64 with spectral norm 1; `digits` ignores the sizes and the seed.

    `gauss` is a Gaussian matrix over its spectral norm. `ill` and `well` keep its singular vectors
    and have `rank` geometric singular values from 1 to 1/100, or all 1.
    """
    if name == "digits":
        return centred_digits()
    X = torch.randn(rows, columns, generator=Generator().manual_seed(seed), dtype=torch.float64)
    U, S, Vh = torch.linalg.svd(X, full_matrices=False)
    condition = SPECTRA[name]
    if condition is None:
        return X / S[0]
    wanted = torch.from_numpy(np.geomspace(1, 1 / condition, rank))
    return (U[:, :rank] * wanted) @ Vh[:rank]


def centred_digits() -> Tensor:
    """The 1797 x 64 pixel matrix of scikit-learn's digits, centred per pixel, over its spectral
    norm."""
    M = digits(high=16.0)[0].flatten(1).double()
    M = M - M.mean(0)
    return M / torch.linalg.matrix_norm(M, 2)


def reduced(M: Tensor) -> Tensor:
    """R of M = Q R, at most (columns, columns): the same problem in the coordinates Q^T of the rows
    of B.

    Exact only for a method that commutes with B -> Q B and starts with the columns of B in the span
    of Q: any method that treats B by linear algebra (gradient descent, momentum, ScaledGD), not one
    that treats it entry by entry (Adam).
    """
    return torch.linalg.qr(M).R if M.shape[0] > M.shape[1] else M
