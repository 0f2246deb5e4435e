"""Optimizers of many runs at once: one flat row of parameters a run, one learning rate a run.

Each equals torch.optim's with the same constants, step by step (up to the order of two roundings in
Adam).
"""

from typing import Protocol

import torch
from torch import Tensor

from proxies.instruments.adam import Adam

MOMENTUM = 0.9


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


OPTIMIZERS: dict[str, type[Optimizer]] = {"SGD": SGD, "momentum": Momentum, "Adam": Adam}
BY_LINEAR_ALGEBRA = {"SGD", "momentum"}
"""The optimizers that commute with a rotation of the parameters (see `targets.reduced`)."""
