"""The update L R x beside the base layer, by plain autograd, where the fused product cannot run.

Dropout acts on the input of the trained pair (B, A), never on that of the frozen pair (B0, A0):

    B A drop(x) - B0 A0 x = L R x + B A (drop(x) - x),    L = [B - B0, B0],  R = [A; A - A0].   (1)

The x of an embedding is one-hot and given by its index, so R x is a column of R, and dropout of
such an x drops the whole branch of the token. With c = 0 or 1 / (1 - p) for each token (1) is

    L R x + (c - 1) B A x.                                                                      (2)
"""

import torch
from torch import Tensor
from torch.nn import functional as F

Pair = tuple[Tensor, Tensor]


def on_vectors(x: Tensor, update: Pair, trained: Pair | None, p: float) -> Tensor:
    """(1), (..., out), for x (..., in); `trained` is (B, A) where dropout acts, else None."""
    L, R = update
    y = F.linear(F.linear(x, R), L)
    if trained is not None:
        B, A = trained
        y = y + F.linear(F.linear(F.dropout(x, p) - x, A), B)
    return y


def on_ids(ids: Tensor, update: Pair, trained: Pair | None, p: float) -> Tensor:
    """(2), (..., out), for n indices (...); of R and A only the `columns` of these are given."""
    L, low = update
    y = F.linear(low.mT, L)
    if trained is not None:
        B, low = trained
        c = F.dropout(torch.ones_like(ids.reshape(-1), dtype=L.dtype), p)
        y = y + F.linear(low.mT * (c - 1)[:, None], B)
    return y.view(*ids.shape, len(L))


def columns(R: Tensor, ids: Tensor | None) -> Tensor:
    """The columns of R (k, in) of these n indices, (k, n); all of R where None is given."""
    return R if ids is None else F.embedding(ids, R.mT).mT


def without_padding(ids: Tensor, y: Tensor, padding_idx: int | None) -> Tensor:
    """y without a gradient at the padding token, as nn.Embedding has none there.

    The padding token's own vector still follows B.
    """
    if padding_idx is None:
        return y
    return torch.where((ids == padding_idx)[..., None], y.detach(), y)
