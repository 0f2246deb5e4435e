"""The one low-rank product: x -> W x + b + s L (R x).

Every variant of the layer is a choice of L (out, k) and R (k, in). With u = s dY L the gradients
are

    dX = dY W + u R,     dR = u^T x,     dL = s dY^T (R x)^T,     db = sum of dY,

and dW = dY^T x where a user trains W too. Plain operations give them, since the second product is
added to the first in place: saved for backward beyond the factors are x where R or W trains, the k
columns R x where L trains, and nothing else. (A backward of our own would add u R to dX in place
too, which saves an addition of 4 us at 16 tokens and 60 us at 512, 576 wide; its Python costs 25 to
40 us. On a GPU neither is measured.) L and R are cast to x's type, or x to theirs where it
is the smaller.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lora.tracing import transformed


def low_rank_linear(
    x: Tensor, W: Tensor, bias: Tensor | None, L: Tensor, R: Tensor, s: float
) -> Tensor:
    """W x + b + s L (R x) for x (..., in), W (out, in) frozen, L (out, k), R (k, in); gives (...,
    out) in x's type.

    Under autocast x, W and b are cast as `torch.nn.functional.linear` would cast them.
    """
    if (half := autocast_type(x)) is not None:
        x, W, bias = x.to(half), W.to(half), None if bias is None else bias.to(half)
        with torch.autocast(x.device.type, enabled=False):
            return low_rank_linear(x, W, bias, L, R, s)
    if x.dtype != R.dtype and few_rows(x, len(R)) and not transformed():
        update = F.linear(F.linear(s * x.to(R.dtype), R), L)
        return F.linear(x, W, bias).add_(update)
    return with_update(x, W, bias, L.to(x.dtype), F.linear(x, R.to(x.dtype)), s)


def few_rows(x: Tensor, rank: int) -> bool:
    """Whether x has fewer numbers than R (rank, in): to cast it takes less than to cast R."""
    return x.shape[:-1].numel() <= rank


def with_update(
    x: Tensor, W: Tensor, bias: Tensor | None, L: Tensor, low: Tensor, s: float
) -> Tensor:
    """W x + b + s L low for low = R x (..., k), all of one type."""
    if transformed():
        # torch.func stacks arguments, for which sums in place have no room
        return F.linear(x, W, bias) + s * F.linear(low, L)
    rows, low = x.reshape(-1, x.shape[-1]), low.reshape(-1, low.shape[-1])
    return F.linear(rows, W, bias).addmm_(low, L.mT, alpha=s).view(*x.shape[:-1], len(W))


def autocast_type(x: Tensor) -> torch.dtype | None:
    """The type that autocast gives the products of x, where it is on."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None


def rescaled(y: Tensor, bias: Tensor | None, excess: Tensor) -> Tensor:
    """b + (1 + excess) * (y - b) for y = V x + b: each row of V scaled, and y itself, bit for bit,
    where excess = 0."""
    if bias is not None:
        return y + excess.to(y.dtype) * (y - bias.to(y.dtype))
    return _grown(y, excess.to(y.dtype))


class _Grown(torch.autograd.Function):
    """y + e * y for e (out,): the same as written, in two thirds of the operations."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, e: Tensor) -> Tensor:
        ctx.save_for_backward(y, e)
        return torch.addcmul(y, e, y)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        y, e = ctx.saved_tensors
        to_y, to_e = ctx.needs_input_grad
        de = (dy * y).reshape(-1, len(e)).sum(0) if to_e else None
        return torch.addcmul(dy, e, dy) if to_y else None, de


def _grown(y: Tensor, e: Tensor) -> Tensor:
    return y + e * y if transformed() else _Grown.apply(y, e)
