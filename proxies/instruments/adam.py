"""Adam for many runs at once, each with a learning rate of its own.

It works entry by entry, so runs that are stacked in one tensor do not see each other. It equals
torch.optim.Adam with the same constants, step by step, up to the order of two roundings.
"""

import torch
from torch import Tensor

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # PyTorch's defaults
BLOCK = 2**18  # numbers of each of Adam's five arrays that are worked on at a time


class Adam:
    """m and v are the moving averages of g and g^2; theta -= rate m^ / (sqrt(v^) + eps), ^ for
    bias-corrected.

    The passes are made over blocks along the first axis, so that what one pass has read the next
    still finds in the cache.

    Args:
        theta: the parameters, of any shape.
    """

    def __init__(self, theta: Tensor) -> None:
        self.m, self.v = torch.zeros_like(theta), torch.zeros_like(theta)
        self.t, self.rows = 0, max(1, BLOCK * len(theta) // theta.numel())
        self.scratch = torch.empty_like(theta[: self.rows])

    @torch.no_grad()
    def step(self, theta: Tensor, gradient: Tensor, rate: Tensor) -> None:
        """Move theta in place.

        Args:
            theta: the parameters.
            gradient: of the same shape.
            rate: learning rates that broadcast to that shape, with as many axes.
        """
        self.t += 1
        # Both bias corrections go into two numbers, which saves two passes over the parameters.
        root = (1 - BETA2**self.t) ** 0.5
        rate = (rate * (-root / (1 - BETA1**self.t))).expand(len(theta), *rate.shape[1:])
        arrays = (theta, gradient, rate, self.m, self.v)
        for block in zip(*(x.split(self.rows) for x in arrays), strict=True):
            self._move(*block, eps=EPS * root)

    def _move(
        self, theta: Tensor, g: Tensor, rate: Tensor, m: Tensor, v: Tensor, eps: float
    ) -> None:
        m.lerp_(g, 1 - BETA1)
        v.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
        move = torch.sqrt(v, out=self.scratch[: len(v)]).add_(eps).reciprocal_().mul_(m)
        theta.addcmul_(move, rate)
