"""Where the learning rate may lie: what the first update of the run does at other learning rates,
and what the width predicts.

The bound. The run's own optimizer takes one step on one batch from the adapter's initialization.
With theta the trained parameters, d the step divided by the learning rate (of AdamW: minus the sign
of the gradient, entry by entry), L the loss of that batch and c = d^T H d its curvature along d,

    L(theta + eta d) = L - eta slope + eta^2 c / 2 + ...,    slope = -grad L . d,                (1)
    eta* = 2 slope / c.                                                                          (2)

To second order, one step at more than eta* raises the loss of the very batch that it was made of.
That bounds the learning rates at which a run without warm-up can begin, as far as the quadratic
holds. It is not the best learning rate, which is smaller as a rule, and says nothing of later
steps. c is the central difference [L(e) + L(-e) - 2 L] / e^2, whose error is of the order e^2, with
e so small that the first term of (1) is a REACH of L, and at most a quarter of eta*.

Along some batches the loss bends downwards at first, and (2) says nothing. So the loss itself is
measured too: `crossing` is the largest learning rate found, to a factor sqrt(2), whose step lowers
it. For a quadratic that is never below zero it is at most 4 L / slope, where the search begins.
Cost: one forward and backward pass, and some eight forward passes.

The prediction. The default learning rate is moved to this model's width and rank by
`scaling.advice.width_transfer`: powers without constants, those of the largest learning rate at
which the features stay bounded. It was tuned where a newly initialized head is trained at the same
learning rate as the adapters. Where none is, the head is a pretrained one, of entries of order
n^(-1/2), behind which the best learning rate of Init[A] goes as n^(-3/4) (claim L8d), the power of
the largest one at which the loss stays bounded; and its constant is HEADLESS, from exploration on
two models that go on with docstrings for 40 steps: the best learning rates were 1.6e-2 for a GPT of
width 128 and 3.9e-3 for SmolLM2-135M, of width 576. At 240 steps that of the GPT was the same.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from lora.bases import shape_of
from scaling.advice.sample import Loss
from scaling.advice.width_transfer import WIDTH, moved
from scaling.core.config import Config
from scaling.core.settings import LR
from scaling.training.adapting import make_optimizer
from theory.lr_stability.stability import max_single_lr

REACH = 0.03
HALVINGS = 16
HEADLESS = 6e-3  # best at width 384 where no head is newly initialized


@dataclass(frozen=True)
class Bound:
    """(1) and (2) at one batch.

    Args:
        loss: before the step.
        slope: of (1).
        curvature: c of (1).
        bound: eta* of (2), None where the loss does not bend upwards along the update, to rounding.
        crossing: the largest learning rate found whose step lowers the loss, None for none.
        seconds: of the forward and backward pass alone.
    """

    loss: float
    slope: float
    curvature: float
    bound: float | None
    crossing: float | None
    seconds: float


class Line:
    """The loss along the first update of a model's trained parameters: callable as line(rate).

    `leave` puts every parameter back and removes the gradients. Random numbers that the loss draws
    are the same at every learning rate.

    Args:
        config: of the run, whose optimizer takes the step.
        model: with its adapters attached.
        batch: what the step is made of.
        loss: of the model on the batch.

    Raises: ValueError where no gradient reaches what is trained.
    """

    def __init__(self, config: Config, model: nn.Module, batch: Any, loss: Loss) -> None:
        self.model, self.batch, self.loss, self.seed = model, batch, loss, config.seed
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        optimizer = make_optimizer(config, model)
        start = perf_counter()
        value = self._value()
        value.backward()
        self.at_start = value.item()
        self.seconds = perf_counter() - start
        gradients = [
            torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in self.parameters
        ]
        torch.nn.utils.clip_grad_norm_(self.parameters, config.training.clip)
        self.start = [p.detach().clone() for p in self.parameters]
        optimizer.step()
        pairs = list(zip(self.parameters, self.start, strict=True))
        self.update = [(p.detach() - before) / config.lr for p, before in pairs]
        self.slope = -sum((g * d).sum().item() for g, d in zip(gradients, self.update, strict=True))
        self._put(0.0)
        if not (math.isfinite(self.slope) and self.slope > 0):
            self.leave()
            raise ValueError(
                f"the first update of scheme {config.adapter.scheme!r} would not lower the loss of "
                f"{self.at_start:g}: it must "
                f"fall along it, and its slope is {self.slope:g}; is the one factor frozen that "
                "has a gradient?"
            )

    def __call__(self, rate: float) -> float:
        self._put(rate)
        with torch.no_grad():
            return self._value().item()

    def leave(self) -> None:
        self._put(0.0)
        for p in self.parameters:
            p.grad = None

    def _value(self) -> Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return self.loss(self.model, self.batch)

    def _put(self, rate: float) -> None:
        with torch.no_grad():
            for p, before, d in zip(self.parameters, self.start, self.update, strict=True):
                p.copy_(before + rate * d)


def bound_on(line: Line) -> Bound:
    """(2), and the largest learning rate at which the loss itself is lower."""
    e = REACH * abs(line.at_start) / line.slope
    c = curvature(line, line.at_start, e)
    if c > 0 and e > line.slope / (2 * c):  # beyond a quarter of eta*: the next term may matter
        e = line.slope / (4 * c)
        c = curvature(line, line.at_start, e)
    # Three losses, each rounded to eps: a curvature below that is noise.
    significant = c * e**2 > 4 * torch.finfo(torch.float32).eps * abs(line.at_start)
    bound = 2 * line.slope / c if significant else None
    return Bound(
        line.at_start, line.slope, c, bound, crossing(line, line.at_start, line.slope), line.seconds
    )


def crossing(along: Callable[[float], float], at_start: float, slope: float) -> float | None:
    """The largest learning rate found at which the function is lower than at 0, None for none.

    Args:
        along: the loss along the update.
        at_start: its value at 0.
        slope: how fast it falls there; the search begins at 4 at_start / slope, halves the learning
            rate until the function is lower, and tries sqrt(2) times it once.
    """
    rate = 4 * abs(at_start) / slope
    for _ in range(HALVINGS):
        if along(rate) < at_start:
            return next(r for r in (math.sqrt(2) * rate, rate) if r == rate or along(r) < at_start)
        rate /= 2
    return None


def curvature(along: Callable[[float], float], at_start: float, e: float) -> float:
    """The central difference of a function.

    Args:
        along: the function.
        at_start: its value at 0.
        e: the step to both sides.
    """
    return (along(e) + along(-e) - 2 * at_start) / e**2


def common_width(layers: Mapping[str, nn.Module]) -> int:
    """The commonest width of a layer's input."""
    return Counter(shape_of(layer)[1] for layer in layers.values()).most_common(1)[0][0]


def predicted(config: Config, scheme: str, width: int, fresh: bool) -> float | None:
    """The learning rate at which a run is expected to do best; None for an optimizer with which the
    default was not tuned.

    Args:
        config: the run.
        scheme: the initialization.
        width: the commonest width of a layer's input.
        fresh: whether a head is newly initialized.
    """
    rate = from_width(config, scheme, width)
    if fresh or rate is None:
        return rate
    power = max_single_lr(scheme, level="loss", readout="standard") - max_single_lr(scheme)
    return HEADLESS / LR * (width / WIDTH) ** float(power) * rate


def from_width(config: Config, scheme: str, width: int) -> float | None:
    """The default learning rate moved to this width and rank; None for an optimizer with which it
    was not tuned.

    Args:
        config: the run.
        scheme: the initialization.
        width: the commonest width of a layer's input.
    """
    return (
        moved(config.replace(lr=None), scheme, width)
        if config.training.optimizer == "adamw"
        else None
    )
