"""Adam for many runs at once, each with a learning rate of its own.

It works entry by entry, so runs that are stacked in one tensor do not see each other. It equals
torch.optim.Adam with the same constants, step by step, up to the order of two roundings. That order
is fixed: on small nets a change of it moves accuracies, by less than their intervals.
"""

import torch
from torch import Tensor

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # PyTorch's defaults


class Adam:
    """m and v are the moving averages of g and g^2; theta -= rate m^ / (sqrt(v^) + eps), ^ for
    bias-corrected.

    Args:
        theta: the parameters, of any shape.
    """

    def __init__(self, theta: Tensor) -> None:
        self.m, self.v, self.t = torch.zeros_like(theta), torch.zeros_like(theta), 0

    @torch.no_grad()
    def step(self, theta: Tensor, gradient: Tensor, rate: Tensor) -> None:
        """Move theta in place.

        Args:
            theta: the parameters.
            gradient: of the same shape.
            rate: learning rates that broadcast to that shape.
        """
        self.t += 1
        self.m.lerp_(gradient, 1 - BETA1)
        self.v.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        size = (self.v / (1 - BETA2**self.t)).sqrt_().add_(EPS)
        theta -= rate * self.m / (1 - BETA1**self.t) / size
