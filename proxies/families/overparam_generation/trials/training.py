"""Training every run of a sweep side by side: all learning rates and seeds of one method in one
graph."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from proxies.families.overparam_generation.trials.adapters import Parameters, layers
from proxies.instruments import flow_matching
from proxies.instruments.digit_networks import Linear


class Plan(NamedTuple):
    """`steps` of Adam on batches of `batch`, the learning rate falling linearly to zero."""

    steps: int
    batch: int = 64


def train(
    base: Sequence[Linear],
    initial: Parameters,
    data: Sequence[Tensor],
    seeds: Sequence[int],
    rates: Sequence[float],
    plan: Plan,
) -> tuple[Parameters, Tensor]:
    """Train every run of a batch.

    Args:
        base: the frozen layers.
        initial: each layer's parameters before training, (rates, seeds, ...).
        data: for each seed the images (n, 64) that it draws from, at every learning rate.
        seeds: of these draws.
        rates: learning rates.
        plan: steps and batches.

    Returns: the trained parameters, and the loss (steps, rates, seeds).
    """
    parameters = [{name: p.clone().requires_grad_() for name, p in P.items()} for P in initial]
    trained = [p for P in parameters for p in P.values()]
    # One group a learning rate: views of its runs, which share memory with the leaves of the graph.
    groups = [[p.detach()[i] for p in trained] for i in range(len(rates))]
    optimizer = torch.optim.Adam(
        [{"params": g, "lr": rate} for g, rate in zip(groups, rates, strict=True)], fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / plan.steps)
    rngs = [Generator().manual_seed(seed) for seed in seeds]
    losses = []
    for _ in range(plan.steps):
        drawn = [
            flow_matching.draws(one, plan.batch, rng) for one, rng in zip(data, rngs, strict=True)
        ]
        x, t, v = (torch.stack(part) for part in zip(*drawn, strict=True))
        loss = flow_matching.loss(flow_matching.velocity(layers(base, parameters), x, t), v)
        for p in trained:
            p.grad = None
        loss.sum().backward()  # no run sees the others
        for i, group in enumerate(groups):
            for view, p in zip(group, trained, strict=True):
                assert p.grad is not None
                view.grad = p.grad[i]
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
    return [{name: p.detach() for name, p in P.items()} for P in parameters], torch.stack(losses)
