"""Train a batch of factorisation runs by full-batch steps on f = |B A - M|_F^2 / 2, without a tape.

All parameters of a run lie in one row of one tensor, so that an optimizer is a few passes over
contiguous memory whatever the method. A generator network has r (rows + columns) m entries in W2,
5048 numbers a run in all at 24 x 16, r = 3, m = 32, and Adam touches each about 18 times a step.
So runs are taken in chunks that stay in the processor's cache, each to its end or until all have
diverged: out of the cache, Adam takes half as long again, and the others twice as long.

Single precision would halve that, but it moves the results: with Adam on an ill-conditioned target
the window of good learning rates comes out up to 0.7 decades narrower.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from proxies.families.matfac.trials.methods import Method, Params, Sizes
from proxies.families.matfac.trials.optimizers import Optimizer

CHUNK = 2**18  # parameters of the runs of a chunk, 2 MB: fewer cost calls, more leave the cache


class Trajectory(NamedTuple):
    """loss (steps + 1, runs), NaN from the step on at which a run stopped being finite; the final
    parameters, of no meaning for such a run."""

    loss: Tensor
    final: Params


class Loss(NamedTuple):
    value: Tensor
    gB: Tensor
    gA: Tensor


def loss(M: Tensor, B: Tensor, A: Tensor) -> Loss:
    """f and its gradient.

    Args:
        M: the targets (runs, rows, columns), or (rows, columns) where all runs share one.
        B: (runs, rows, rank).
        A: (runs, rank, columns).
    """
    R = torch.baddbmm(M, B, A, beta=-1)
    return Loss(R.flatten(1).square().sum(1) / 2, R @ A.mT, B.mT @ R)


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
    together = max(1, CHUNK // sum(value[0].numel() for value in initial.values()))
    parts = [slice(i, i + together) for i in range(0, len(rates), together)]
    losses, finals = zip(
        *(
            _chunk(
                M if M.ndim == 2 else M[part],
                {name: value[part] for name, value in initial.items()},
                rank,
                method,
                optimizer,
                rates[part],
                steps,
            )
            for part in parts
        ),
        strict=True,
    )
    return Trajectory(
        torch.cat(losses, 1), {name: torch.cat([P[name] for P in finals]) for name in initial}
    )


def _chunk(
    M: Tensor,
    initial: Params,
    rank: int,
    method: Method,
    optimizer: type[Optimizer],
    rates: Tensor,
    steps: int,
) -> Trajectory:
    sizes = Sizes(M.shape[-2], M.shape[-1], rank)
    theta, P = flat_views(initial)
    gradient, out = flat_views(initial)
    for name, value in initial.items():
        P[name].copy_(value)
    rate, rule = rates[:, None], optimizer(theta)
    losses = M.new_full((steps + 1, len(theta)), torch.nan)
    for t in range(steps + 1):
        B, A, memory = method.factors(P, sizes)
        losses[t], gB, gA = loss(M, B, A)
        if not losses[t].isfinite().any():
            break
        if t < steps:
            method.backward(P, memory, gB, gA, out)
            rule.step(theta, gradient, rate)
    # What has once left the finite numbers stays diverged, even where a dead generator would bring
    # it back.
    losses[(~losses.isfinite()).cumsum(0) > 0] = torch.nan
    return Trajectory(losses, P)


def flat_views(like: Params) -> tuple[Tensor, Params]:
    """A new (runs, parameters) tensor and the view of each parameter in it."""
    first = next(iter(like.values()))
    flat = first.new_empty(len(first), sum(value[0].numel() for value in like.values()))
    views, end = {}, 0
    for name, value in like.items():
        begin, end = end, end + value[0].numel()
        views[name] = flat[:, begin:end].view(value.shape)
    return flat, views
