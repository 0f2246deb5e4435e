"""torch's fused Adam for many runs at once, without the bookkeeping of torch.optim, which on small
tensors takes longer than the step.

The fused step is one pass over memory where the formula is five, but it has one learning rate. So
it moves a displacement U at the learning rate 1, and a run's parameters are theta_0 + rate U, where
its rate must stay what it is. `proxies.instruments.adam` is the plain form, with other roundings.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


class FusedAdam:
    """U -= m^ / (sqrt(v^) + eps), where m and v are the moving averages of g and g^2, ^ for
    bias-corrected.

    Args:
        moved: the displacements, of any shapes.
        betas: of the two averages.
        eps: Adam's epsilon.
    """

    def __init__(self, moved: Sequence[Tensor], betas: tuple[float, float], eps: float) -> None:
        self.moved, self.betas, self.eps = list(moved), betas, eps
        self.m, self.v = ([torch.zeros_like(U) for U in moved] for _ in range(2))
        self.t = torch.zeros(())

    @property
    def kept(self) -> list[Tensor]:
        """All that is carried from step to step."""
        return [*self.moved, *self.m, *self.v]

    def step(self, gradients: Sequence[Tensor]) -> None:
        """Move the displacements in place."""
        self.t += 1
        torch._fused_adam_(
            self.moved,
            list(gradients),
            self.m,
            self.v,
            max_exp_avg_sqs=[],
            state_steps=[self.t] * len(self.moved),
            lr=1.0,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=0.0,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
        )
