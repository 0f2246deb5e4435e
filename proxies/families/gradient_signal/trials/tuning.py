"""Fine-tuning from each initialization at its own best learning rate: all learning rates and seeds
of an initialization are trained in one graph.

A run is one (learning rate, seed). Parameters are stacked over (rates, seeds), the loss is the sum
of the runs' losses, and the optimizer works entry by entry, so that no run sees another; a run that
diverges is recorded as NaN.
"""

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

import lora
from proxies.families.gradient_signal.trials.rows import INITIALIZATIONS, Array, initial_rows
from proxies.families.gradient_signal.trials.tasks import TASKS, Task, Update, loss_of
from proxies.instruments.adam import Adam
from proxies.instruments.learning_rates import Grid, search

RANK, BATCH = 4, 32
GRIDS = {
    "adam": Grid(-11, -3, per_decade=3, added=3, rounds=4),
    "sgd": Grid(-5, 3, per_decade=3, added=3, rounds=4),
}
STREAM = 10**6  # added to a seed for its minibatches


class Descent:
    """Gradient descent, called as Adam is."""

    def __init__(self, theta: Tensor) -> None:
        del theta

    @torch.no_grad()
    def step(self, theta: Tensor, gradient: Tensor, rate: Tensor) -> None:
        theta -= rate * gradient


OPTIMIZERS = {"adam": Adam, "sgd": Descent}


def low_rank(A: list[Tensor], B: list[Tensor]) -> Update:
    """B A x of every run, for x (seeds, batch, in) or (rates, seeds, batch, in); the scale s is
    1."""
    return lambda i, x: _inner(A[i], x) @ B[i].mT


def _inner(A: Tensor, x: Tensor) -> Tensor:
    """A x (rates, seeds, batch, r). An x that all rates share meets all of them in one product,
    uncopied."""
    if x.ndim == 4:
        return x @ A.mT
    rates, seeds, rank, width = A.shape
    together = x @ A.permute(1, 3, 0, 2).reshape(seeds, width, rates * rank)
    return together.view(*x.shape[:2], rates, rank).permute(2, 0, 1, 3)


def losses(task: Task, A: list[Tensor], B: list[Tensor], x: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy (rates, seeds) over the examples x (seeds, examples, in)."""
    logits = task.logits(x, low_rank(A, B))
    target = y.expand(logits.shape[:-1])
    each = F.cross_entropy(logits.flatten(0, -2), target.flatten(), reduction="none")
    return each.view(target.shape).mean(-1)


def train(
    task: Task,
    rows: list[Tensor],
    rates: Tensor,
    optimizer: str,
    steps: list[int],
    seeds: list[int],
) -> dict[str, Tensor]:
    """Train every learning rate and seed of one initialization.

    Args:
        task: the data and the network of the seeds.
        rows: of each layer its first A (seeds, r, in).
        rates: learning rates.
        optimizer: a name in OPTIMIZERS.
        steps: the budgets, ascending: after so many steps the losses are taken.
        seeds: of the minibatches.

    Returns: losses (budgets, rates, seeds) on the splits "choose" and "test".
    """
    A = [a.expand(len(rates), *a.shape).clone().requires_grad_() for a in rows]
    B = [
        a.new_zeros(*a.shape[:2], out, a.shape[2]).requires_grad_()
        for a, (out, _) in zip(A, task.shapes, strict=True)
    ]
    methods = [(parameter, OPTIMIZERS[optimizer](parameter)) for parameter in A + B]
    rngs = [Generator().manual_seed(STREAM + seed) for seed in seeds]
    (x, y), rate = task.data["train"], rates[:, None, None, None]
    found: dict[str, list[Tensor]] = {"choose": [], "test": []}
    for step in range(1, steps[-1] + 1):
        chosen = torch.stack([torch.randint(x.shape[1], (BATCH,), generator=rng) for rng in rngs])
        seed = torch.arange(len(seeds))[:, None]
        total = losses(task, A, B, x[seed, chosen], y[seed, chosen]).sum()
        gradients = torch.autograd.grad(total, A + B)
        for (parameter, method), gradient in zip(methods, gradients, strict=True):
            method.step(parameter, gradient, rate)
        if step in steps:
            with torch.no_grad():
                for name, values in found.items():
                    values.append(losses(task, A, B, *task.data[name]))
    return {name: torch.stack(values) for name, values in found.items()}


def tuned(task: tuple[str, str], steps: list[int], seeds: list[int]) -> dict[str, Any]:
    """The search for a learning rate of every initialization.

    Args:
        task: its name in TASKS, and an optimizer's in OPTIMIZERS.
        steps: the budgets.
        seeds: of the splits of the data.
    """
    name, optimizer = task
    problem = TASKS[name](seeds)
    rows: list[list[dict[str, Tensor]]] = []
    for i, seed in enumerate(seeds):
        x, y = (values[i].split(100) for values in problem.data["train"])
        stats = lora.collect(
            problem.model(i), problem.layers, list(zip(x, y, strict=True)), "gradient", loss_of
        )
        rows.append(
            [
                initial_rows(stats[layer], out, RANK, seed)
                for layer, (out, _) in zip(problem.layers, problem.shapes, strict=True)
            ]
        )
    stacked = {
        initialization: [
            torch.stack([layer[initialization].float() for layer in layers])
            for layers in zip(*rows, strict=True)
        ]
        for initialization in INITIALIZATIONS
    }
    return {name: swept(problem, A, optimizer, steps, seeds) for name, A in stacked.items()}


def swept(
    task: Task, rows: list[Tensor], optimizer: str, steps: list[int], seeds: list[int]
) -> dict[str, Any]:
    """For every budget in `steps` the test loss of each seed at the learning rate that the split
    "choose" prefers."""
    grid = GRIDS[optimizer]

    def run(exponents: Sequence[int]) -> list[dict[str, Array]]:
        rates = torch.tensor([grid.learning_rate(i) for i in exponents])
        found = train(task, rows, rates, optimizer, steps, seeds)
        return [
            {split: values[:, i].numpy() for split, values in found.items()}
            for i in range(len(exponents))
        ]

    found = search(run, grid, *(_criterion(budget) for budget in range(len(steps))))
    exponents = list(found.results)
    best = [exponents.index(i) for i in found.best if i is not None]
    test = np.stack([result["test"] for result in found.results.values()], 1)
    return {
        "rates": found.learning_rates,
        "best": best,
        "inside": [not edge for edge in found.edges],
        "test": [test[budget, i].tolist() for budget, i in enumerate(best)],
        "by rate": [[float(x) if np.isfinite(x) else None for x in row] for row in test.mean(2)],
    }


def _criterion(budget: int) -> Callable[[dict[str, Array]], float]:
    """The mean loss on "choose" after that budget."""

    def criterion(result: dict[str, Array]) -> float:
        loss = float(result["choose"][budget].mean())
        # finite, so that a grid of which everything diverges is extended to lower learning rates
        return loss if math.isfinite(loss) else sys.float_info.max

    return criterion
