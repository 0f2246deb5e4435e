"""Optimizers of many runs at once: one flat row of parameters a run, one learning rate a run.

Each equals torch.optim's with the same constants, step by step (up to the order of two roundings in
Adam).
"""

from typing import Protocol

import torch
from torch import Tensor

from proxies.instruments.fused_adam import FusedAdam

MOMENTUM = 0.9
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


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
    bias-corrected."""

    def __init__(self, theta: Tensor) -> None:
        self.initial, self.moved = theta.clone(), torch.zeros_like(theta)
        self.rule = FusedAdam([self.moved], (BETA1, BETA2), EPS)

    def step(self, theta: Tensor, gradient: Tensor, rate: Tensor) -> None:
        self.rule.step([gradient])
        torch.addcmul(self.initial, self.moved, rate, out=theta)


OPTIMIZERS: dict[str, type[Optimizer]] = {"SGD": SGD, "momentum": Momentum, "Adam": Adam}
BY_LINEAR_ALGEBRA = {"SGD", "momentum"}
"""The optimizers that commute with a rotation of the parameters (see `targets.reduced`)."""
