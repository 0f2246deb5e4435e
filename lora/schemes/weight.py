"""Schemes that see the weight."""

import math

import torch
from torch import Generator, Tensor

from lora.schemes.scheme import Factors, normal


def pissa(W: Tensor, rank: int, rng: Generator, scale: float) -> Factors:
    """s B A is the best rank-r approximation of W, split as U (S/s)^1/2 and (S/s)^1/2 V^T (arXiv:2404.02948)."""
    return _balanced_triplets(W, rank, scale, top=True)


def milora(W: Tensor, rank: int, rng: Generator, scale: float) -> Factors:
    """As `pissa` with the r smallest of the min(out, in) singular triplets (arXiv:2406.09044)."""
    return _balanced_triplets(W, rank, scale, top=False)


def nystrom(W: Tensor, rank: int, rng: Generator, scale: float, xi: float = 0.1, side: str = "in") -> Factors:
    """A sketch of W on one side, zero on the other (NoRA, arXiv:2410.18965, with the released code's scale xi/s).

    side "in" gives A = (xi/s) N W with N (r, out), whose rows lie in the row space of W, and B = 0; side "out"
    gives B = (xi/s) W N with N (in, r), the paper's X0 = W Omega, and A = 0. N is standard normal.
    """
    if not (math.isfinite(xi) and xi > 0):
        raise ValueError(f"nystrom: xi must be positive and finite, got {xi!r}")
    out, in_ = W.shape
    if side == "in":
        return Factors(W.new_zeros(out, rank), xi / scale * normal(W, rank, out, rng=rng) @ W)
    if side == "out":
        return Factors(xi / scale * W @ normal(W, in_, rank, rng=rng), W.new_zeros(rank, in_))
    raise ValueError(f'nystrom: side must be "in" or "out", got {side!r}')


def _balanced_triplets(W: Tensor, rank: int, scale: float, top: bool) -> Factors:
    U, S, Vh = torch.linalg.svd(W, full_matrices=False)
    chosen = slice(None, rank) if top else slice(len(S) - rank, None)
    noise = torch.finfo(W.dtype).eps * max(W.shape) * S[0]  # the usual cut of numerical rank
    root = torch.where(S[chosen] > noise, S[chosen] / scale, 0).sqrt()
    return Factors(U[:, chosen] * root, root[:, None] * Vh[chosen])
