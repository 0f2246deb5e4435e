"""Schemes that need the weight W = U S V^T; subscript r: the first r singular triplets, -r: the
last r."""

from typing import Literal

import torch
from torch import Generator, Tensor

from lora.linalg import noise, svd, top_svd
from lora.schemes.options import Positive
from lora.schemes.scheme import Factors, normal, orthonormal


def pissa(
    W: Tensor,
    rank: int,
    rng: Generator,
    scale: float,
    exact: bool = False,
    basis: Literal["singular", "random"] = "singular",
) -> Factors:
    """s B A is the best rank-r approximation of W: B = U_r (S_r/s)^1/2, A = (S_r/s)^1/2 V_r^T
    (arXiv:2404.02948).

    Args:
        exact: forbid the randomised method from which the triplets come where min(out, in) >= 160
            and 10 r (see `lora.linalg` for when that is accurate).
        basis: "random" puts Haar-distributed directions in the place of U_r and V_r: a control
            with factors of the same size, which knows nothing of where W is large.
    """
    U, S, Vh = top_svd(W, rank, rng, exact, quick=True)
    if basis == "random":
        U, Vh = orthonormal(W, len(U), rank, rng=rng), orthonormal(W, Vh.shape[1], rank, rng=rng).mT
    return balanced(U, S, Vh, noise(S, W.shape), scale)


def milora(W: Tensor, rank: int, rng: Generator, scale: float) -> Factors:
    """As `pissa` with the r smallest of the min(out, in) singular triplets (arXiv:2406.09044)."""
    U, S, Vh = svd(W)
    last = slice(len(S) - rank, None)
    return balanced(U[:, last], S[last], Vh[last], noise(S, W.shape), scale)


def olora(W: Tensor, rank: int, rng: Generator, scale: float) -> Factors:
    """B = Q_r and A = R_r = Q_r^T W of the QR decomposition W = Q R (arXiv:2406.01775).

    Without pivoting range(B) is that of the first r columns of W, so those are all that is
    decomposed, and the factors depend on the order of the inputs. As published, B A is not divided
    by s: the initial s B A is s times the projection of W. The frozen pair carries it whatever s
    is, so the function at step 0 is exact.
    """
    Q, R = torch.linalg.qr(W[:, :rank])
    # the decomposition with a positive diagonal is the unique one
    Q = Q * torch.where(R.diagonal() < 0, -1, 1)
    return Factors(Q, Q.mT @ W)


def mica(W: Tensor, rank: int, rng: Generator, scale: float) -> Factors:
    """B = U_-r, the r smallest of the min(out, in) left singular vectors, and A = 0
    (arXiv:2604.01694).

    The method keeps B frozen and trains A alone: that is Config(scheme="mica", train_b=False).
    """
    return Factors(svd(W)[0][:, -rank:], W.new_zeros(rank, W.shape[1]))


def nystrom(
    W: Tensor,
    rank: int,
    rng: Generator,
    scale: float,
    xi: Positive = 0.1,
    side: Literal["in", "out"] = "in",
) -> Factors:
    """A sketch of W on one side, zero on the other (NoRA, arXiv:2410.18965, with the released
    code's scale xi/s).

    Args:
        xi: the size of the factor, where N is standard normal.
        side: "in" gives A = (xi/s) N W with N (r, out), whose rows lie in the row space of W, and B
            = 0; "out" gives B = (xi/s) W N with N (in, r), the paper's X0 = W Omega, and A = 0.
    """
    out, in_ = W.shape
    if side == "in":
        return Factors(W.new_zeros(out, rank), xi / scale * normal(W, rank, out, rng=rng) @ W)
    return Factors(xi / scale * W @ normal(W, in_, rank, rng=rng), W.new_zeros(rank, in_))


def balanced(U: Tensor, S: Tensor, Vh: Tensor, least: Tensor, scale: float) -> Factors:
    """s B A = U S V^T with B^T B = A A^T = S/s, where singular values up to `least` count as 0."""
    root = torch.where(least < S, S / scale, 0).sqrt()
    return Factors(U * root, root[:, None] * Vh)
