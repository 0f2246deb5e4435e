"""The one low-rank product: x -> W x + b + s L (R x), fused, with a backward that keeps only what
it needs.

Every variant of the layer is a choice of L (out, k) and R (k, in). With u = s dY L the gradients
are

    dX = dY W + u R,     dR = u^T x,     dL = s dY^T (R x)^T,     db = sum of dY.

Kept for backward beyond the weights: x where R trains, the k columns R x where L trains, nothing
else. L and R may be float32 masters of a half-precision layer: they are cast to x's type, x is
never cast to theirs.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class _LowRankLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, W: Tensor, bias: Tensor | None, L: Tensor, R: Tensor, s: float
    ) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        low = rows @ R.to(x.dtype).mT
        y = F.linear(rows, W, bias).addmm_(low, L.to(x.dtype).mT, alpha=s)
        _, _, _, left_trains, right_trains, _ = ctx.needs_input_grad
        ctx.save_for_backward(rows if right_trains else None, low if left_trains else None, W, L, R)
        ctx.scale, ctx.shape = s, x.shape
        return y.view(*x.shape[:-1], W.shape[0])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        rows, low, W, L, R = ctx.saved_tensors
        dy = dy.reshape(-1, dy.shape[-1])
        to_x, _, to_bias, to_left, to_right, _ = ctx.needs_input_grad
        dx = dbias = dL = dR = None
        if to_x or to_right:
            u = (dy @ L.to(dy.dtype)).mul_(ctx.scale)
            if to_x:
                dx = (dy @ W).addmm_(u, R.to(dy.dtype)).view(ctx.shape)
            if to_right:
                dR = (u.mT @ rows).to(R.dtype)
        if to_left:
            dL = (low.mT @ dy).mul_(ctx.scale).mT.to(L.dtype)  # dy^T low takes up to twice as long
        if to_bias:
            dbias = dy.sum(0)
        return dx, None, dbias, dL, dR, None


def low_rank_linear(
    x: Tensor, W: Tensor, bias: Tensor | None, L: Tensor, R: Tensor, s: float
) -> Tensor:
    """W x + b + s L (R x) for x (..., in), W (out, in) frozen, L (out, k), R (k, in); gives (...,
    out) in x's type.

    Under autocast x, W and b are cast as `torch.nn.functional.linear` would cast them.
    Differentiable once.
    """
    device = x.device.type
    if torch.is_autocast_enabled(device):
        half = torch.get_autocast_dtype(device)
        x, W, bias = x.to(half), W.to(half), None if bias is None else bias.to(half)
        with torch.autocast(device, enabled=False):
            return _LowRankLinear.apply(x, W, bias, L, R, s)
    return _LowRankLinear.apply(x, W, bias, L, R, s)


def rescaled(y: Tensor, bias: Tensor | None, excess: Tensor) -> Tensor:
    """b + (1 + excess) * (y - b) for y = V x + b: each row of V scaled, and y itself, bit for bit,
    where excess = 0."""
    excess = excess.to(y.dtype)
    return torch.addcmul(y, excess, y if bias is None else y - bias.to(y.dtype))
