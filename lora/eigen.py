"""The first eigenvectors of a covariance, without the cost of all of them.

A few of many come from a block Krylov space, the span K of [Q, C Q, C^2 Q, ...] for a random Q of
l = count + 16 columns, and in it the best approximations v_j with their values t_j (Rayleigh and
Ritz; Musco and Musco, arXiv:1504.05477). With the residual r_j = |C v_j - t_j v_j|, which is
orthogonal to K, the variance along the j-th axis falls short of the best by

    about r_j^2 / (t_j - t_l)   for small r_j, and at most r_j,                                  (1)

where t_l stands for the largest value that C has outside of K (second-order perturbation). K grows
until (1) is at most 1e-4 t_j for every j. Where the spectrum is flat the vectors
themselves are not found, but any of their mixtures will do.
"""

import torch
from torch import Generator, Tensor

SMALL = 256  # up to this width all eigenvectors take less time than a block Krylov space
EXTRA = 16  # columns beyond those asked for: they decide how fast the last of these converge
FIRST = 4  # blocks before a look at the residuals can pay
ACCURACY = 1e-4  # of the variance along each axis; of their sum it makes 3e-6 on real inputs
NOISE = torch.finfo(torch.float32).eps  # of the largest, for axes along which there is none


def top_axes(C: Tensor, count: int | None = None) -> tuple[Tensor, Tensor]:
    """The `count` largest eigenvalues (count,) of a symmetric C and their eigenvectors (in, count),
    largest first; all of them by default. In float64, and a function of C and count alone.

    A few of many are orthonormal to float64, and capture all but 1e-4 of the variance that the
    exact ones do, by (1) with residuals in float64, or have residuals of eps32 lambda_1. They are
    sought in float32, then in float64, and where the space would fill half of the width all are
    computed.
    """
    C = C.double()
    if count is not None and len(C) > SMALL:
        for dtype in (torch.float32, torch.float64):
            if (found := _krylov(C, count, dtype)) is not None:
                return found
    values, vectors = torch.linalg.eigh(C)
    return values.flip(0)[:count], vectors.flip(1)[:, :count]


def _krylov(C: Tensor, count: int, dtype: torch.dtype) -> tuple[Tensor, Tensor] | None:
    width = count + EXTRA
    M = (C / C.abs().max().clamp(min=torch.finfo(C.dtype).tiny)).to(dtype)
    random = torch.randn(len(C), width, generator=Generator().manual_seed(0), dtype=dtype)
    basis = block = torch.linalg.qr(random.to(C.device)).Q
    images = M @ block
    while True:
        if basis.shape[1] >= FIRST * width:
            values, S = _descending(basis.mT @ images)
            V = basis @ S[:, :count]
            residuals = (images @ S[:, :count] - V * values[:count]).norm(dim=0)
            beyond = values[width - 1]
            if _settled(values[:count], residuals, beyond).all():
                return _refined(C, V, beyond / values[0])
        if 2 * (basis.shape[1] + width) > len(C):
            return None
        block = images[:, -width:]
        # once leaves the rounding of what was subtracted, and of columns that vanish all
        for _ in range(2):
            block = torch.linalg.qr(block - basis @ (basis.mT @ block)).Q
        basis, images = torch.cat([basis, block], 1), torch.cat([images, M @ block], 1)


def _settled(values: Tensor, residuals: Tensor, beyond: Tensor) -> Tensor:
    """Which of the first axes are exact enough, by (1)."""
    lost = residuals.square() / torch.maximum(values - beyond, residuals)
    return (lost <= ACCURACY * values) | (residuals <= NOISE * values[0])


def _descending(T: Tensor) -> tuple[Tensor, Tensor]:
    values, S = torch.linalg.eigh((T + T.mT) / 2)
    return values.flip(0), S.flip(1)


def _refined(C: Tensor, V: Tensor, beyond: Tensor) -> tuple[Tensor, Tensor] | None:
    """Ritz pairs of float64 in the span of V, where their residuals there are small too."""
    V = torch.linalg.qr(V.double()).Q
    images = C @ V
    values, S = _descending(V.mT @ images)
    V, images = V @ S, images @ S
    residuals = (images - V * values).norm(dim=0)
    return (values, V) if _settled(values, residuals, beyond * values[0]).all() else None
