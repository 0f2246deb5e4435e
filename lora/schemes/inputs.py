"""Schemes that need the layer's inputs x, as `lora.Statistics`."""

import math
import warnings
from typing import Literal

import torch
from torch import Generator, Tensor

from lora.finite import bad_entries
from lora.linalg import svd, top_svd
from lora.schemes.options import Positive
from lora.schemes.scheme import Factors, normal
from lora.statistics import Statistics

# Below this part of the largest eigenvalue the products of a float32 Gram hold nothing but
# rounding.
NOISE = torch.finfo(torch.float32).eps


def eva(
    W: Tensor,
    rank: int,
    rng: Generator,
    scale: float,
    stats: Statistics,
    center: bool = True,
    whiten: bool = False,
) -> Factors:
    """B = 0 and the rows of A the top r eigenvectors of the inputs' covariance C = E[x x^T] - E[x]
    E[x]^T (EVA, arXiv:2410.07170).

    In each eigenvector the entry of largest magnitude is positive. Where the inputs vary in fewer
    than r directions, random orthonormal ones complete the rows, of norm 1 also with `whiten`, and
    a warning says so.

    Args:
        center: take the centred C, as the field's code does. False takes the second moment E[x
            x^T], which the paper's theorem is about. They differ much where the inputs' mean is
            large.
        whiten: divide row j by sqrt(lambda_j), so that every entry of A x has variance 1
            (uncentred: mean square 1).
    """
    _check("eva", W, stats)
    values, vectors = stats.axes(rank, center)
    alive = int((values > NOISE * values[0].clamp(min=0)).sum())
    tokens = math.ceil(stats.count) if stats.tokens is None else stats.tokens
    # n points span n directions, n - 1 about their mean
    alive = min(alive, max(tokens - center, 0))
    V = vectors[:, :alive]
    largest = V.gather(0, V.abs().argmax(0, keepdim=True))
    V = V * torch.where(largest < 0, -1, 1)
    if alive < rank:
        warnings.warn(
            f"the inputs vary in only {alive} of the {rank} directions asked for ({tokens} "
            "tokens); the others are initialized at random",
            stacklevel=3,
        )
        V = torch.cat([V, _complement(V, rank - alive, rng)], 1)
    A = V.mT
    if whiten:
        A = torch.cat([A[:alive] / values[:alive, None].sqrt(), A[alive:]])
    return Factors(W.new_zeros(W.shape[0], rank), A.to(W).contiguous())


def corda(
    W: Tensor,
    rank: int,
    rng: Generator,
    scale: float,
    stats: Statistics,
    mode: Literal["ipm", "kpm", "sqrt"] = "ipm",
    damping: Positive = 0.01,
) -> Factors:
    """Triplets of the SVD U S V^T of W P: B = U (S/s)^1/2 and A = (S/s)^1/2 V^T P^-1 (CorDA,
    arXiv:2406.05223).

    P = C / (Tr C / in) + damping I, with C = E[x x^T] the second moment: the division makes the
    factors independent of the unit of x, and leaves B A as it was. S V^T P^-1 = U^T W, so A = (S
    s)^-1/2 U^T W, and no inverse is needed. The largest triplets are those of `top_svd`.

    Args:
        mode: "ipm" takes the r largest triplets, so that s B A is the rank-r matrix nearest to W in
            |(W - s B A) P|; "kpm" the r smallest, to preserve what the inputs use most. "sqrt" is
            "ipm" with P^1/2, nearest in the error of the output itself, E|(W - s B A) x|^2 (up to
            the damping; derived). U and S are also those of W L with P = L L^T.
        damping: is fixed. The authors double theirs until P inverts well.
    """
    if stats.covariance_sketch is not None:
        raise ValueError(
            "corda needs the whole second moment, and only a sketch was stored; collect without "
            "axes"
        )
    _check("corda", W, stats)
    P = stats.second_moment.detach().to(W.device, torch.float64, copy=True)
    mean = P.diagonal().mean()
    P = P / mean if mean > 0 else P.zero_()
    P.diagonal().add_(damping)
    if mode == "kpm":
        U, S, _ = svd(W.double() @ P)
        U, S, first = U[:, -rank:], S[-rank:], S[0]
    else:
        M = W.double() @ (_root(P, damping) if mode == "sqrt" else P)
        U, S, _ = top_svd(M, rank, rng)
        first = S[0]
    # a triplet below the rounding of W P is none: the usual cut of numerical rank
    least = torch.finfo(W.dtype).eps * max(W.shape) * first
    root = torch.where(least < S, S * scale, torch.inf).rsqrt()
    return Factors((U * (S * root)).to(W), (root[:, None] * (U.mT @ W.to(U))).to(W))


def _root(P: Tensor, least: float) -> Tensor:
    """Some L with L L^T = P, of which no eigenvalue is below `least` but by rounding."""
    L, failed = torch.linalg.cholesky_ex(P)
    if not failed:
        return L
    values, Q = torch.linalg.eigh(P)
    return Q * values.clamp(min=least).sqrt()


def _complement(V: Tensor, columns: int, rng: Generator) -> Tensor:
    """Random orthonormal columns orthogonal to those of V."""
    G = normal(V, V.shape[0], columns, rng=rng)
    return torch.linalg.qr(torch.cat([V, G], 1)).Q[:, V.shape[1] :]


def _check(scheme: str, W: Tensor, stats: Statistics) -> None:
    if stats.mean.shape != (W.shape[1],):
        raise ValueError(
            f"{scheme}: the statistics are of inputs of width {stats.mean.shape[0]}, W has "
            f"{W.shape[1]} columns"
        )
    sketch = stats.covariance_sketch
    M = stats.second_moment if sketch is None else sketch.factor
    if bad := bad_entries(M):
        raise ValueError(f"{scheme}: the second moment has {bad} entries that are NaN or infinite")
