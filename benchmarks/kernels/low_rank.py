"""A candidate in Triton for the low-rank product of `lora/product.py`, whose plain path is its
oracle. It is only measured here: it moves into lora/ once a profile on a GPU asks for it.

The product splits at its tensor of rank r. The halves around it read and write much and compute
little, so each is one kernel with one pass over the wide tensor and no temporary; the base product
between them is left to torch. With M (k, wide) or (wide, k), given by its strides and in float32,
cast as it is read,

    project    out = s a M      a (T, wide)  ->  out (T, k):    R x,  and  u = s dY L           (1)
    add        y += s low M     low (T, k)   ->  y (T, wide):   y += s (R x) L^T, dX += u R     (2)

which is the forward and the backward of the input; dL and dR are products over the tokens, and
remain torch's. In torch's graph (1) and (2) are a cast and a product each, and one more to scale.
"""

# Triton is no dependency: it comes with torch's builds for a GPU.
# pyright: reportMissingImports=false, reportIndexIssue=false

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional as F

ROWS, COLUMNS = 64, 128  # of a block
LEAST = 16  # inner size of a block product on a GPU


@triton.jit
def _project(
    a,
    M,
    out,
    tokens,
    wide,
    rank,
    scale,
    M_wide,
    M_rank,
    BT: tl.constexpr,
    BW: tl.constexpr,
    BR: tl.constexpr,
):
    t = tl.program_id(0) * BT + tl.arange(0, BT)
    k = tl.arange(0, BR)
    total = tl.zeros((BT, BR), dtype=tl.float32)
    for start in range(0, wide, BW):
        w = start + tl.arange(0, BW)
        rows = tl.load(
            a + t[:, None] * wide + w[None, :],
            mask=(t[:, None] < tokens) & (w[None, :] < wide),
            other=0.0,
        )
        factor = tl.load(
            M + w[:, None] * M_wide + k[None, :] * M_rank,
            mask=(w[:, None] < wide) & (k[None, :] < rank),
            other=0.0,
        )
        total += tl.dot(rows, factor.to(rows.dtype))
    tl.store(
        out + t[:, None] * rank + k[None, :],
        (total * scale).to(out.dtype.element_ty),
        mask=(t[:, None] < tokens) & (k[None, :] < rank),
    )


@triton.jit
def _add(
    y,
    low,
    M,
    tokens,
    wide,
    rank,
    scale,
    M_wide,
    M_rank,
    BT: tl.constexpr,
    BW: tl.constexpr,
    BR: tl.constexpr,
):
    t = tl.program_id(0) * BT + tl.arange(0, BT)
    w = tl.program_id(1) * BW + tl.arange(0, BW)
    k = tl.arange(0, BR)
    rows = tl.load(
        low + t[:, None] * rank + k[None, :],
        mask=(t[:, None] < tokens) & (k[None, :] < rank),
        other=0.0,
    )
    factor = tl.load(
        M + k[:, None] * M_rank + w[None, :] * M_wide,
        mask=(k[:, None] < rank) & (w[None, :] < wide),
        other=0.0,
    )
    at = y + t[:, None] * wide + w[None, :]
    inside = (t[:, None] < tokens) & (w[None, :] < wide)
    total = tl.load(at, mask=inside, other=0.0).to(tl.float32)
    total += scale * tl.dot(rows, factor.to(rows.dtype))
    tl.store(at, total.to(y.dtype.element_ty), mask=inside)


def _padded(rank: int) -> int:
    return max(LEAST, triton.next_power_of_2(rank))


def project(a: Tensor, M: Tensor, scale: float = 1.0) -> Tensor:
    """(1): scale a M for a (T, wide), contiguous, and M (wide, k); (T, k) in a's type."""
    (tokens, wide), rank = a.shape, M.shape[1]
    out = a.new_empty(tokens, rank)
    sizes: Any = {"BT": ROWS, "BW": COLUMNS, "BR": _padded(rank)}
    _project[(triton.cdiv(tokens, ROWS),)](
        a, M, out, tokens, wide, rank, scale, M.stride(0), M.stride(1), **sizes
    )
    return out


def add_(y: Tensor, low: Tensor, M: Tensor, scale: float = 1.0) -> Tensor:
    """(2): y += scale low M in place, for y (T, wide) and low (T, k), both contiguous, M (k,
    wide)."""
    (tokens, wide), rank = y.shape, M.shape[0]
    sizes: Any = {"BT": ROWS, "BW": COLUMNS, "BR": _padded(rank)}
    grid = (triton.cdiv(tokens, ROWS), triton.cdiv(wide, COLUMNS))
    _add[grid](y, low, M, tokens, wide, rank, scale, M.stride(1), M.stride(0), **sizes)
    return y


class LowRankLinear(torch.autograd.Function):
    """W x + s L (R x) for x (T, in) and frozen W, as `lora.product` computes it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, W: Tensor, L: Tensor, R: Tensor, s: float) -> Tensor:
        low = project(x, R.mT)
        ctx.save_for_backward(x, low, W, L, R)
        ctx.scale = s
        return add_(F.linear(x, W), low, L.mT, s)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, low, W, L, R = ctx.saved_tensors
        dy = gradients[0].contiguous()
        u = project(dy, L, ctx.scale)
        dx = add_(dy @ W, u, R)
        dL = (dy.mT @ low).to(L.dtype).mul_(ctx.scale)
        return dx, None, dL, (u.mT @ x).to(R.dtype), None
