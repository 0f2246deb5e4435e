"""Schemes that need the loss gradient G = E[g x^T] of the weight, or Q = E[|g|^2 x x^T], the signal
it gives to B.

None depends on the scale of the loss: G and Q are divided by their largest entry before anything
else, so that neither loss scaling nor a gradient too small for float32 changes the factors. A
gradient that is zero throughout is refused: it means that the loss does not reach the layer, and
every direction would be arbitrary. Singular values G = U S V^T.
"""

import warnings
from typing import Literal

import torch
from torch import Generator, Tensor

from lora.linalg import noise, svd, top_svd
from lora.schemes.options import Positive
from lora.schemes.scheme import Factors, normal
from lora.schemes.weight import balanced
from lora.statistics import Statistics


def lora_ga(
    W: Tensor, rank: int, rng: Generator, scale: float, *, stats: Statistics, gamma: Positive = 16.0
) -> Factors:
    """A = c V_{1..r}^T and B = c U_{r+1..2r}, c = out^(1/4) / sqrt(gamma) (arXiv:2407.05000, scale
    "stable").

    The first step of gradient descent then moves W along B B^T G + G A^T A = c^2 G_2r, the best
    rank-2r approximation of G. As in the paper's code neither factor carries singular values;
    PEFT's B does, and grows with the loss. B A depends on the signs of singular pairs and only the
    two spans are defined. Needs 2 r <= min(out, in).

    Args:
        gamma: divides the squared size of the factors, as in c.
    """
    U, S, Vh = top_svd(_gradient("lora_ga", W, stats), 2 * rank, rng)
    _warn_of_arbitrary("lora_ga", S, W.shape)
    c = W.shape[0] ** 0.25 / gamma**0.5
    return Factors(c * U[:, rank:], c * Vh[:rank])


def lora_one(
    W: Tensor,
    rank: int,
    rng: Generator,
    scale: float,
    *,
    stats: Statistics,
    gamma: Positive = 128.0,
) -> Factors:
    """B = U_r (S_r/S_1)^1/2 / sqrt(gamma) and A = (S_r/S_1)^1/2 V_r^T / sqrt(gamma) of -G
    (arXiv:2502.01235).

    B A is a descent step of spectral norm 1/gamma in the best rank-r direction. The roots follow
    the released code (its description lacks them). That code also begins to train at W + s B A.
    Here, as for every scheme, the frozen pair carries s B A, so training begins at the pretrained
    function: a deliberate departure.

    Args:
        gamma: 1 / gamma is the spectral norm of B A.
    """
    G = _gradient("lora_one", W, stats)
    U, S, Vh = top_svd(-G, rank, rng)
    return balanced(U, S / S[0], Vh, noise(S / S[0], W.shape), gamma)


def nystrom_grad(
    W: Tensor,
    rank: int,
    rng: Generator,
    scale: float,
    *,
    stats: Statistics,
    xi: Positive = 1.0,
    side: Literal["in", "out"] = "in",
) -> Factors:
    """A random sketch of G on one side, zero on the other: the Nyström initialization of
    arXiv:2410.18965 for what is learnt.

    That paper's theory sketches the matrix to be learnt, which at zero is G up to a factor; its
    initialization of LoRA sketches W instead (see `nystrom`). The factor depends neither on the
    scale of the loss nor on s. Derived here.

    Args:
        xi: its size. At xi = 1 it has the mean square of `init_a` or `init_b`, whose learning rates
            therefore carry over.
        side: "in" gives A = xi N G / (sqrt(3) |G|_F) with N (r, out), "out" gives B = xi sqrt(out /
            (3 r)) G N / |G|_F with N (in, r), N standard normal.
    """
    out, in_ = W.shape
    G = _gradient("nystrom_grad", W, stats)
    G = xi / 3**0.5 * G / G.norm()
    if side == "in":
        return Factors(W.new_zeros(out, rank), normal(W, rank, out, rng=rng) @ G)
    return Factors((out / rank) ** 0.5 * G @ normal(W, in_, rank, rng=rng), W.new_zeros(rank, in_))


def gradient_signal(
    W: Tensor,
    rank: int,
    rng: Generator,
    scale: float,
    *,
    stats: Statistics,
) -> Factors:
    """The rows of A are the top r eigenvectors of Q, and B = 0: derived here.

    At B = 0 the gradient of one token reaches B alone, with E|dL/dB|^2 = s^2 tr(A Q A^T); over
    orthonormal rows the top eigenspace of Q is its exact maximum, where that of E[x x^T] (`eva`) is
    so only if |g|^2 and x x^T are uncorrelated.
    """
    del rng
    shape = (W.shape[1],) * 2
    if (sketch := stats.weighted_sketch) is None:
        _largest("gradient_signal", "weighted_second_moment", stats.weighted_second_moment, shape)
    else:
        _largest(
            "gradient_signal", "weighted_sketch", sketch.factor, (len(W.mT), len(sketch.values))
        )
    S, V = stats.signal_axes(rank)
    _warn_of_arbitrary("gradient_signal", (S / S[0]).to(W), torch.Size(shape))
    largest = V.gather(0, V.abs().argmax(0, keepdim=True))
    A = (V * torch.where(largest < 0, -1, 1)).mT
    return Factors(W.new_zeros(W.shape[0], rank), A.to(W).contiguous())


def tsd_init(
    W: Tensor,
    rank: int,
    rng: Generator,
    scale: float,
    *,
    stats: Statistics,
    mode: Literal["rate", "abs"] = "rate",
    eps: Positive = 1e-6,
) -> Factors:
    """LoRA-Init: s B A = sum over i in I of s_i u_i v_i^T, split evenly, I the r task-specific
    directions of W.

    I holds the r largest change rates |u_i^T D v_i| / (s_i + eps s_1) over the singular triplets of
    W (arXiv:2409.01035; eps is not published). The paper takes D from a hundred steps of LoRA. Here
    D = G, the update of one full step, whose length cancels in the ranking: it needs no training
    first, and finds planted directions at least as well. Singular values that are rounding of zero
    have no directions of their own and are chosen last.

    Args:
        mode: "rate", or "abs", which does not divide by s_i: the direction's first-order effect on
            the loss.
        eps: as in the change rate.
    """
    G = _gradient("tsd_init", W, stats)
    U, S, Vh = svd(W)
    score = ((U.mT @ G) * Vh).sum(dim=1).abs()
    if mode == "rate":
        score = score / (S + eps * S[0])
    least = noise(S, W.shape)
    I = torch.where(least < S, score, -1).topk(rank).indices
    return balanced(U[:, I], S[I], Vh[I], least, scale)


def _gradient(scheme: str, W: Tensor, stats: Statistics) -> Tensor:
    """G in W's dtype and on its device, divided by its largest entry."""
    G = stats.gradient
    largest = _largest(scheme, "gradient", G, tuple(W.shape))
    assert G is not None
    return (G.detach() / largest).to(W.device, W.dtype)


def _largest(scheme: str, name: str, value: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    """The largest absolute value in a statistic, once it is clear that one can work with it."""
    if value is None:
        raise ValueError(f"{scheme} needs stats.{name}, which was not collected")
    if value.shape != shape:
        raise ValueError(
            f"{scheme}: stats.{name} must have shape {shape}, got {tuple(value.shape)}"
        )
    # the extremes carry NaN and infinity, and are found in a tenth of the time of counting
    least, most = value.aminmax()
    largest = torch.maximum(-least, most)
    if not largest.isfinite():
        bad = int((~value.isfinite()).sum())
        raise ValueError(
            f"{scheme}: stats.{name} must be finite, got {bad} entries that are NaN or infinite"
        )
    if not largest:
        raise ValueError(
            f"{scheme}: stats.{name} is zero throughout, so the loss does not depend on this layer"
        )
    return largest


def _warn_of_arbitrary(scheme: str, S: Tensor, shape: torch.Size) -> None:
    if arbitrary := int((noise(S, shape) >= S).sum()):
        warnings.warn(
            f"{scheme}: the gradient has only {len(S) - arbitrary} of the {len(S)} directions "
            "asked for; the others are an arbitrary orthonormal completion",
            stacklevel=4,
        )
