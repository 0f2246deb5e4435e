"""Optimizers of many runs at once: one flat row of parameters a run, one learning rate a run.

Each equals torch.optim's with the same constants, step by step (up to the order of two roundings in
Adam).
"""

from typing import Protocol

import torch
from torch import Tensor

MOMENTUM = 0.9
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
BLOCK = 2**18  # numbers of each of Adam's five arrays that are worked on at a time


class Optimizer(Protocol):
    """`theta` and `gradient` are (runs, parameters), `rate` is (runs, 1); `step` changes theta in
    place."""

    def __init__(self, theta: Tensor) -> None: ...
    def step(self, theta: Tensor, gradient: Tensor, rate: Tensor) -> None: ...


class SGD:
    """theta -= rate g."""

    def __init__(self, theta: Tensor) -> None: ...

    def step(self, theta: Tensor, gradient: Tensor, rate: Tensor) -> None:
        theta.addcmul_(gradient, rate, value=-1)


class Momentum:
    """Heavy ball: v = 0.9 v + g, theta -= rate v."""

    def __init__(self, theta: Tensor) -> None:
        self.v = torch.zeros_like(theta)

    def step(self, theta: Tensor, gradient: Tensor, rate: Tensor) -> None:
        theta.addcmul_(self.v.mul_(MOMENTUM).add_(gradient), rate, value=-1)


class Adam:
    """m and v are the moving averages of g and g^2; theta -= rate m^ / (sqrt(v^) + eps), ^ for
    bias-corrected.

    The passes are made over blocks of runs, so that what one pass has read the next still finds in
    the cache; `proxies.instruments.adam` is the plain form, with other roundings.
    """

    def __init__(self, theta: Tensor) -> None:
        self.m, self.v = torch.zeros_like(theta), torch.zeros_like(theta)
        self.t, self.rows = 0, max(1, BLOCK // theta.shape[1])
        self.scratch = torch.empty_like(theta[: self.rows])

    def step(self, theta: Tensor, gradient: Tensor, rate: Tensor) -> None:
        self.t += 1
        # Both bias corrections go into two numbers, which saves two passes over the parameters.
        root = (1 - BETA2**self.t) ** 0.5
        rate = rate * (-root / (1 - BETA1**self.t))
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


OPTIMIZERS: dict[str, type[Optimizer]] = {"SGD": SGD, "momentum": Momentum, "Adam": Adam}
BY_LINEAR_ALGEBRA = {"SGD", "momentum"}
"""The optimizers that commute with a rotation of the parameters (see `targets.reduced`)."""
