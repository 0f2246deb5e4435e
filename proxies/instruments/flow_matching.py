"""Flow matching: a network that carries noise to images along straight lines.

With x_0 standard normal, x_1 an image and t uniform on [0, 1], the network v learns from

    x_t = (1 - t) x_0 + t x_1,    loss = |v(x_t, t) - (x_1 - x_0)|^2 / 64,                       (1)

and an image is drawn by integrating dx/dt = v(x, t) from noise at t = 0 to t = 1 (arXiv:2210.02747,
the case of optimal-transport paths with sigma_min = 0). The network is a residual one of four
linear layers; how a layer is computed is left to the caller, so a module that `lora` has adapted
and a batch of runs share these lines.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from proxies.instruments.digit_targets import PIXELS

WIDTH, TIMES = 128, 32
SHAPES = ((WIDTH, PIXELS + TIMES), (WIDTH, WIDTH), (WIDTH, WIDTH), (PIXELS, WIDTH))
"""(out, in) of each layer"""
FASTEST = 100.0  # angular frequency of the quickest component of the embedded time
Layer = Callable[[Tensor], Tensor]
Velocity = Callable[[Tensor, Tensor], Tensor]


class Draws(NamedTuple):
    """The data of one step: x_t (..., 64), t (...) and what v shall be, (..., 64)."""

    x: Tensor
    t: Tensor
    v: Tensor


def velocity(layers: Sequence[Layer], x: Tensor, t: Tensor) -> Tensor:
    """v(x, t).

    Args:
        layers: what each of the four layers computes.
        x: points, (..., 64).
        t: times, (...).
    """
    first, *middle, last = layers
    angle = t[..., None] * torch.exp(
        torch.linspace(0, math.log(FASTEST), TIMES // 2, dtype=x.dtype)
    )
    h = F.silu(first(torch.cat([x, angle.sin(), angle.cos()], -1)))
    for layer in middle:
        h = h + F.silu(layer(h))
    return last(h)


class Flow(nn.Module):
    """v as a module, for training the base model and for `lora.attach`."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(in_, out) for out, in_ in SHAPES)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return velocity(list(self.layers), x, t)


def draws(images: Tensor, n: int, rng: Generator) -> Draws:
    """The data of one step by (1).

    Args:
        images: to draw from, (m, 64).
        n: how many draws.
        rng: draws the images, the noise and the times, in this order.
    """
    x1 = images[torch.randint(len(images), (n,), generator=rng)]
    x0 = torch.randn(n, PIXELS, generator=rng, dtype=images.dtype)
    t = torch.rand(n, generator=rng, dtype=images.dtype)
    return Draws(x0 + t[:, None] * (x1 - x0), t, x1 - x0)


def loss(v: Tensor, wanted: Tensor) -> Tensor:
    """(1), the mean over the last two axes: one number a run."""
    return (v - wanted).square().mean((-2, -1))


@torch.no_grad()
def integrate(v: Velocity, x: Tensor, steps: int) -> Tensor:
    """Carry x from t = 0 to t = 1 by the midpoint rule, whose error is of order 1/steps^2.

    Args:
        v: the velocity, a function of x and t.
        x: noise, (..., 64).
        steps: of the rule, with two evaluations of v each.
    """
    for i in range(steps):
        middle = x + v(x, x.new_full(x.shape[:-1], i / steps)) / (2 * steps)
        x = x + v(middle, x.new_full(x.shape[:-1], (i + 0.5) / steps)) / steps
    return x
