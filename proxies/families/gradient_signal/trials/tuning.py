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

import lora
from lora.bases import weight_of
from lora.schemes import Factors
from proxies.families.gradient_signal.claims.setting import RANK, TRAINED
from proxies.families.gradient_signal.trials.rows import (
    Array,
    initial_factors,
    moved_ranks,
)
from proxies.families.gradient_signal.trials.tasks import TASKS, Task, Update
from proxies.instruments.adam import Adam
from proxies.instruments.learning_rates import Grid, search

BATCH = 32
GRIDS = {
    "adam": Grid(-11, -3, per_decade=3, added=3, rounds=4),
    "sgd": Grid(-5, 3, per_decade=3, added=3, rounds=4),
    # where a run costs more
    "text": Grid(-10, -5, per_decade=3, added=2, rounds=4),
}
ON_TEXT = ("docstrings", "code")
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


def losses(task: Task, update: Update, x: Tensor, y: Tensor) -> Tensor:
    """Mean loss (rates, seeds) over the examples x (seeds, examples, in)."""
    return task.loss(task.outputs(x, update), y).mean(-1)


def train(
    task: Task,
    factors: list[Factors],
    rates: Tensor,
    optimizer: str,
    steps: list[int],
    seeds: list[int],
) -> dict[str, Tensor]:
    """Train every learning rate and seed of one initialization.

    Args:
        task: the data and the network of the seeds.
        factors: of each layer its first B (seeds, out, r) and A (seeds, r, in). Their product is
            taken back, so that training begins at the pretrained function.
        rates: learning rates.
        optimizer: a name in OPTIMIZERS.
        steps: the budgets, ascending: after so many steps the losses are taken.
        seeds: of the minibatches.

    Returns: losses (budgets, rates, seeds) on the splits "choose" and "test".
    """
    copies = lambda which: [
        pair[which].expand(len(rates), *pair[which].shape).clone().requires_grad_()
        for pair in factors
    ]
    B, A = copies(0), copies(1)
    update = low_rank(A, B)
    if any(pair.B.any() for pair in factors):
        trained, first = (
            update,
            low_rank([a.detach().clone() for a in A], [b.detach().clone() for b in B]),
        )
        update = lambda i, x: trained(i, x) - first(i, x)
    methods = [(parameter, OPTIMIZERS[optimizer](parameter)) for parameter in A + B]
    rngs = [Generator().manual_seed(STREAM + seed) for seed in seeds]
    (x, y), rate = task.data["train"], rates[:, None, None, None]
    found: dict[str, list[Tensor]] = {"choose": [], "test": []}
    for step in range(1, steps[-1] + 1):
        chosen = torch.stack([torch.randint(x.shape[1], (BATCH,), generator=rng) for rng in rngs])
        seed = torch.arange(len(seeds))[:, None]
        total = losses(task, update, x[seed, chosen], y[seed, chosen]).sum()
        gradients = torch.autograd.grad(total, A + B)
        for (parameter, method), gradient in zip(methods, gradients, strict=True):
            method.step(parameter, gradient, rate)
        if step in steps:
            with torch.no_grad():
                for name, values in found.items():
                    values.append(losses(task, update, *task.data[name]))
    return {name: torch.stack(values) for name, values in found.items()}


def tuned(
    task: tuple[str, str], steps: list[int], choosing: int, seeds: list[int], block: int
) -> dict[str, Any]:
    """Every initialization at its own best learning rate.

    Args:
        task: its name in TASKS, and an optimizer's in OPTIMIZERS.
        steps: the budgets.
        choosing: how many of the seeds, the first ones, choose the learning rates; the others are
            compared.
        seeds: of data, networks and minibatches.
        block: the first seed of all, which deals the data out to the seeds.
    """
    name, optimizer = task
    names = TRAINED[name, optimizer]
    problem = TASKS[name](seeds, block)
    factors, numbers = [], []
    for i, seed in enumerate(seeds):
        model = problem.model(i)
        x, y = (values[i].split(100) for values in problem.data["train"])
        stats = lora.collect(
            model, problem.layers, list(zip(x, y, strict=True)), "gradient", problem.mean_loss
        )
        weights = {n: weight_of(model.get_submodule(n)).detach() for n in problem.layers}
        factors.append(initial_factors(names, stats, weights, RANK, seed))
        numbers.append(
            {
                "equal": RANK * sum(sum(W.shape) for W in weights.values()),
                "moved": sum(
                    rank * sum(weights[n].shape) for n, rank in moved_ranks(stats, RANK).items()
                ),
            }
        )
    return {
        "parameters": numbers[choosing:],
        **{
            initialization: swept(
                problem,
                _stacked([of[initialization] for of in factors]),
                optimizer,
                GRIDS["text" if name in ON_TEXT else optimizer],
                steps,
                choosing,
                seeds,
            )
            for initialization in names
        },
    }


def _stacked(of_seeds: list[list[Factors]]) -> list[Factors]:
    """(seeds, ...) of each layer."""
    return [
        Factors(torch.stack([B for B, _ in layer]), torch.stack([A for _, A in layer]))
        for layer in zip(*of_seeds, strict=True)
    ]


def swept(
    task: Task,
    factors: list[Factors],
    optimizer: str,
    grid: Grid,
    steps: list[int],
    choosing: int,
    seeds: list[int],
) -> dict[str, Any]:
    """For every budget in `steps` the test loss of each compared seed, at the learning rate at
    which the mean loss of the choosing seeds on their split "choose" is least. A compared run that
    diverges counts with the loss that it began with."""

    def at(exponents: Sequence[int], which: slice) -> list[dict[str, Array]]:
        rates = torch.tensor([grid.learning_rate(i) for i in exponents])
        part = [Factors(B[which], A[which]) for B, A in factors]
        found = train(task.of(which), part, rates, optimizer, steps, seeds[which])
        return [
            {split: values[:, i].numpy() for split, values in found.items()}
            for i in range(len(exponents))
        ]

    run = lambda exponents: at(exponents, slice(None, choosing))
    found = search(run, grid, *(_criterion(budget) for budget in range(len(steps))))
    exponents = list(found.results)
    best = [i for i in found.best if i is not None]
    chosen = sorted(set(best))
    compared = dict(zip(chosen, at(chosen, slice(choosing, None)), strict=True))
    part = task.of(slice(choosing, None))
    began = part.loss(part.outputs(part.data["test"][0]), part.data["test"][1]).mean(-1).numpy()
    tested = [compared[i]["test"][budget] for budget, i in enumerate(best)]
    by_rate = np.stack([result["choose"].mean(1) for result in found.results.values()], 1)
    return {
        "rates": found.learning_rates,
        "best": [exponents.index(i) for i in best],
        "inside": [not edge for edge in found.edges],
        "test": [np.where(np.isfinite(found), found, began).tolist() for found in tested],
        "diverged": [int((~np.isfinite(found)).sum()) for found in tested],
        "by rate": [[float(x) if np.isfinite(x) else None for x in row] for row in by_rate],
    }


def _criterion(budget: int) -> Callable[[dict[str, Array]], float]:
    """The mean loss on "choose" after that budget."""

    def criterion(result: dict[str, Array]) -> float:
        loss = float(result["choose"][budget].mean())
        # finite, so that a grid of which everything diverges is extended to lower learning rates
        return loss if math.isfinite(loss) else sys.float_info.max

    return criterion
