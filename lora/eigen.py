"""The first eigenvectors of a covariance, without the cost of all of them."""

import torch
from torch import Generator, Tensor

SMALL = 256  # up to this width all eigenvectors take less time than a block Krylov space
EXTRA = 16  # columns beyond those asked for: they decide how fast the last of these converge
STEPS = 12
ACCURACY = torch.finfo(torch.float32).eps


def top_axes(C: Tensor, count: int | None = None) -> tuple[Tensor, Tensor]:
    """The `count` largest eigenvalues (count,) of a symmetric C and their eigenvectors (in, count),
    largest first; all of them by default. In float64, and a function of C and count alone.

    A few of many come from a block Krylov space: the span of [Q, C Q, C^2 Q, ...] for a random Q of
    count + 16 columns, and in it the best approximations (Musco and Musco, arXiv:1504.05477). It is
    grown until every residual |C v - lambda v| is at most eps32 lambda_1, so that the result is
    exact for a matrix as near to C as the rounding of its own float32 products. Where that does not
    come early, as for a flat spectrum, all are computed.
    """
    C = C.double()
    if count is not None and len(C) > SMALL and (found := _krylov(C, count)) is not None:
        return found
    values, vectors = torch.linalg.eigh(C)
    return values.flip(0)[:count], vectors.flip(1)[:, :count]


def _krylov(C: Tensor, count: int) -> tuple[Tensor, Tensor] | None:
    width = count + EXTRA
    random = torch.randn(len(C), width, generator=Generator().manual_seed(0), dtype=C.dtype).to(
        C.device
    )
    basis = block = torch.linalg.qr(random).Q
    images = C @ block
    for step in range(STEPS):
        if step % 2:
            T = basis.mT @ images
            values, S = torch.linalg.eigh((T + T.mT) / 2)
            values, S = values.flip(0)[:count], S.flip(1)[:, :count]
            V = basis @ S
            if ((images @ S - V * values).norm(dim=0) <= ACCURACY * values[0]).all():
                return values, V
        if 2 * (basis.shape[1] + width) > len(C):
            return None
        block = images[:, -width:]
        # once leaves the rounding of what was subtracted, and of columns that vanish all
        for _ in range(2):
            block = torch.linalg.qr(block - basis @ (basis.mT @ block)).Q
        basis, images = torch.cat([basis, block], 1), torch.cat([images, C @ block], 1)
    return None
