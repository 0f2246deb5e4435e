"""Train a batch of factorisation runs by full-batch steps on f = |B A - M|_F^2 / 2, without a tape.

All parameters of a run lie in one row of one tensor, so that an optimizer is a few passes over
contiguous memory whatever the method. The floor: a generator network has r (rows + columns) m
entries in W2, 5048 numbers a run in all at 24 x 16, r = 3, m = 32, and Adam's eight passes touch
each about 18 times; 65 runs of 1000 steps are 6e9 touches of 8 bytes, 3 s at 16 GB/s, which is what
they take.

Single precision would halve that, but it moves the results: with Adam on an ill-conditioned target
the window of good learning rates comes out up to 0.7 decades narrower.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from proxies.families.matfac.trials.methods import Method, Params, Sizes
from proxies.families.matfac.trials.optimizers import Optimizer


class Trajectory(NamedTuple):
    """loss (steps + 1, runs), NaN from the step on at which a run stopped being finite; the final
    parameters."""

    loss: Tensor
    final: Params


class Loss(NamedTuple):
    value: Tensor
    gB: Tensor
    gA: Tensor


def loss(M: Tensor, square: Tensor, B: Tensor, A: Tensor) -> Loss:
    """f and its gradient by Gram matrices: the residual, which is large for a tall target, is never
    formed.

    Args:
        M: the targets (runs, rows, columns), or (rows, columns) where all runs share one.
        square: |M|_F^2.
        B: (runs, rows, rank).
        A: (runs, rank, columns).
    """
    AM, AA, BB = A @ M.mT, A @ A.mT, B.mT @ B
    value = (square - 2 * (B * AM.mT).sum((1, 2)) + (AA * BB).sum((1, 2))) / 2
    return Loss(value, B @ AA - AM.mT, BB @ A - B.mT @ M)


def train(
    M: Tensor,
    initial: Params,
    rank: int,
    method: Method,
    optimizer: type[Optimizer],
    rates: Tensor,
    steps: int,
) -> Trajectory:
    """Train every run of a batch, in double precision.

    Args:
        M: the targets, as for `loss`.
        initial: the parameters of each run before the first step.
        rank: r of the factors.
        method: how the factors are made from the parameters.
        optimizer: the rule by which the parameters move.
        rates: one learning rate a run.
        steps: full-batch steps.
    """
    sizes, square = Sizes(M.shape[-2], M.shape[-1], rank), M.square().sum((-2, -1))
    theta, P = flat_views(initial)
    gradient, out = flat_views(initial)
    for name, value in initial.items():
        P[name].copy_(value)
    rate, rule = rates[:, None], optimizer(theta)
    losses = M.new_empty(steps + 1, len(theta))
    for t in range(steps + 1):
        B, A, memory = method.factors(P, sizes)
        losses[t], gB, gA = loss(M, square, B, A)
        if t < steps:
            method.backward(P, memory, gB, gA, out)
            rule.step(theta, gradient, rate)
    # What has once left the finite numbers stays diverged, even where a dead generator would bring
    # it back.
    losses[(~losses.isfinite()).cumsum(0) > 0] = torch.nan
    return Trajectory(losses, {name: value.clone() for name, value in P.items()})


def flat_views(like: Params) -> tuple[Tensor, Params]:
    """A new (runs, parameters) tensor and the view of each parameter in it."""
    first = next(iter(like.values()))
    flat = first.new_empty(len(first), sum(value[0].numel() for value in like.values()))
    views, end = {}, 0
    for name, value in like.items():
        begin, end = end, end + value[0].numel()
        views[name] = flat[:, begin:end].view(value.shape)
    return flat, views
