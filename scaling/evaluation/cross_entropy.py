"""The cross entropy of rows of hidden states through a head, a few rows at a time.

Of rows h_i (hidden), logits z_i = head(h_i) (vocabulary) and labels y_i:

(1)  L = sum_i l_i,  l_i = log sum_v exp z_iv - z_i,y_i   in float32, and
(2)  dL/dz_iv = softmax(z_i)_v - [v = y_i].

Only a chunk of the z_i exists at once. With it the forward pass makes what the backward needs,
dL/dh_i and dL/dparameters of the head, through the head's own backward: so nothing is computed
twice, and what stays until the backward has the size of the hidden states and of the head's trained
parameters. A backward only scales it. Source: derived; the idea of gradients made in the forward
pass is that of Liger Kernel (arXiv:2410.10989, section 3).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

CHUNK = {"cpu": 2**25, "other": 2**28}  # bytes of a chunk of float32 logits
HALF = 2.0**10  # float16 holds no gradient below 6e-8, and the vocabulary's tail has smaller ones


def cross_entropy(
    rows: Tensor,
    labels: Tensor,
    head: Callable[[Tensor], Tensor],
    parameters: Sequence[Tensor],
    chunk: int,
) -> tuple[Tensor, Tensor]:
    """Equation (1): the scalar L, with gradients of the first order, and the l_i without.

    Args:
        rows: (n, hidden); n may be 0, and L is then 0 with gradients of zeros.
        labels: (n,), each in the vocabulary.
        head: from (m, hidden) to logits (m, vocabulary). It may draw random numbers (dropout), and
            then draws them chunk by chunk.
        parameters: the trained ones that the head reads. It may not depend on other tensors that
            require gradients.
        chunk: how many rows at once.
    """
    total, losses = _Summed.apply(rows, labels, head, chunk, *parameters)  # type: ignore[misc]
    return total, losses


def chunk_of(vocabulary: int, device: torch.device) -> int:
    """Rows of a chunk: on a CPU as many as its caches nearly hold (benchmarks/LOG.md); on other
    devices so many that the head's products are bound by arithmetic, not by reading the head."""
    return max(1, CHUNK["cpu" if device.type == "cpu" else "other"] // (4 * vocabulary))


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        labels: Tensor,
        head: Callable[[Tensor], Tensor],
        chunk: int,
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor]:
        wanted = [ctx.needs_input_grad[0], *ctx.needs_input_grad[4:]]
        losses = rows.new_zeros(len(rows), dtype=torch.float32)
        # of all chunks in float32: in bfloat16 each of their sums would round
        made = [
            torch.zeros_like(of, dtype=torch.float32) if want else None
            for of, want in zip((rows, *parameters), wanted, strict=True)
        ]
        for start in range(0, len(rows), chunk):
            part = slice(start, start + chunk)
            some, right = rows[part].detach().requires_grad_(wanted[0]), labels[part, None]
            with torch.set_grad_enabled(any(wanted)):
                logits = head(some)
            logs = F.log_softmax(logits.detach(), -1, dtype=torch.float32)
            losses[part] = -logs.gather(1, right)[:, 0]
            if not logits.requires_grad:
                continue
            slope = logs.exp_().scatter_add_(1, right, logs.new_full(right.shape, -1.0))
            scale = HALF if logits.dtype == torch.float16 else 1.0
            slope = (slope.mul_(scale) if scale != 1 else slope).to(logits.dtype)
            places = [i for i, want in enumerate(wanted) if want]
            inputs = [(some, *parameters)[i] for i in places]
            found = torch.autograd.grad(logits, inputs, slope, allow_unused=True)
            for i, gradient in zip(places, found, strict=True):
                total = made[i]
                if gradient is not None and total is not None:
                    (total if i else total[part]).add_(gradient, alpha=1 / scale)
        ctx.save_for_backward(*made)
        ctx.dtypes = [of.dtype for of in (rows, *parameters)]
        ctx.mark_non_differentiable(losses)
        return losses.sum(), losses

    @staticmethod
    def backward(ctx: Any, outer: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # for gradients of this one, of which what is kept has none
            raise RuntimeError(
                "this loss has gradients of the first order; model(**batch).loss has a Hessian too"
            )
        first, *others = (
            None if made is None else (made * outer).to(dtype)
            for made, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        )
        return first, None, None, None, *others
