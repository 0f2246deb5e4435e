"""The one low-rank product: x -> W x + b + s L (R x), fused, with a backward that keeps only what
it needs.

Every variant of the layer is a choice of L (out, k) and R (k, in). With u = s dY L the gradients
are

    dX = dY W + u R,     dR = u^T x,     dL = s dY^T (R x)^T,     db = sum of dY,

and dW = dY^T x where a user trains W too. Saved for backward beyond the weights: x where R or W
trains, the k columns R x where L trains, nothing else. L and R may be float32 masters of a
half-precision layer: they are cast to x's type, x is never cast to theirs.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class _LowRankLinear(torch.autograd.Function):
    """(y, R x). The second is an output so that what is saved is connected to the graph: a backward
    of the backward is then right too."""

    @staticmethod
    def forward(
        x: Tensor, W: Tensor, bias: Tensor | None, L: Tensor, R: Tensor, s: float
    ) -> tuple[Tensor, Tensor]:
        rows = x.reshape(-1, x.shape[-1])
        low = rows @ R.to(x.dtype).mT
        y = F.linear(rows, W, bias).addmm_(low, L.to(x.dtype).mT, alpha=s)
        return y.view(*x.shape[:-1], W.shape[0]), low

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
        x, W, _, L, R, ctx.scale = inputs
        _, to_weight, _, to_left, to_right, _ = ctx.needs_input_grad
        ctx.set_materialize_grads(False)
        rows, low = x if to_right or to_weight else None, output[1] if to_left else None
        ctx.save_for_backward(rows, low, W, L, R)
        ctx.shape = x.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, dlow: Tensor | None) -> tuple[Tensor | None, ...]:
        x, low, W, L, R = ctx.saved_tensors
        to_x, to_weight, to_bias, to_left, to_right, _ = ctx.needs_input_grad
        dx = dW = dbias = dL = dR = u = None
        if dy is not None:
            dy = dy.reshape(-1, dy.shape[-1])
            if to_x or to_right:
                u = (dy @ L.to(dy.dtype)).mul_(ctx.scale)
            if to_left:
                # dy^T low takes up to twice as long
                dL = (low.mT @ dy).mul_(ctx.scale).mT.to(L.dtype)
            if to_weight:
                dW = (dy.mT @ x.reshape(-1, x.shape[-1])).to(W.dtype)
            if to_bias:
                dbias = dy.sum(0)
        if dlow is not None:  # in a backward of the backward alone
            u = dlow if u is None else u + dlow
        if u is not None and to_right:
            dR = (u.mT @ x.reshape(-1, x.shape[-1])).to(R.dtype)
        if u is not None and to_x:
            dx = u @ R.to(u.dtype) if dy is None else (dy @ W).addmm_(u, R.to(u.dtype))
            dx = dx.view(ctx.shape)
        return dx, dW, dbias, dL, dR, None


def low_rank_linear(
    x: Tensor, W: Tensor, bias: Tensor | None, L: Tensor, R: Tensor, s: float
) -> Tensor:
    """W x + b + s L (R x) for x (..., in), W (out, in) frozen, L (out, k), R (k, in); gives (...,
    out) in x's type.

    Under autocast x, W and b are cast as `torch.nn.functional.linear` would cast them.
    """
    device = x.device.type
    if torch.is_autocast_enabled(device):
        half = torch.get_autocast_dtype(device)
        x, W, bias = x.to(half), W.to(half), None if bias is None else bias.to(half)
        with torch.autocast(device, enabled=False):
            return low_rank_linear(x, W, bias, L, R, s)
    if torch._C._are_functorch_transforms_active():
        # torch.func stacks arguments, for which sums in place have no room
        low = F.linear(x, R.to(x.dtype))
        return F.linear(x, W, bias) + s * F.linear(low, L.to(x.dtype))
    return _LowRankLinear.apply(x, W, bias, L, R, s)[0]


def rescaled(y: Tensor, bias: Tensor | None, excess: Tensor) -> Tensor:
    """b + (1 + excess) * (y - b) for y = V x + b: each row of V scaled, and y itself, bit for bit,
    where excess = 0."""
    excess = excess.to(y.dtype)
    return torch.addcmul(y, excess, y if bias is None else y - bias.to(y.dtype))
