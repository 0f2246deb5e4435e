"""Fine-tuning from each start at its own best learning rate: all rates and seeds of a start train
in one graph.

A run is one (rate, seed). Parameters are stacked over (rates, seeds), the loss is the sum of the
runs' losses, and the optimiser works entry by entry, so that no run sees another; a run that
diverges is recorded as NaN.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

import lora
from proxies.families.gradient_signal.trials.row_initializations import (
    STARTS,
    Array,
    captured,
    start_rows,
)
from proxies.families.gradient_signal.trials.tasks import TASKS, Task, Update, loss_of

RANK, BATCH = 4, 32
# rates 10^(i/3), both ends included; extended while the best is an end
GRIDS = {"adam": (-11, -3), "sgd": (-5, 3)}
ADDED, MOST = 3, 4
STREAM = 10**6  # added to a seed for its minibatches


class Adam:
    def __init__(self, parameters: list[Tensor]) -> None:
        self.first, self.second = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
        self.steps = 0

    def directions(self, gradients: list[Tensor]) -> list[Tensor]:
        self.steps += 1
        found = []
        for m, v, g in zip(self.first, self.second, gradients, strict=True):
            m.lerp_(g, 0.1)
            v.mul_(0.999).addcmul_(g, g, value=0.001)
            found.append(m / (1 - 0.9**self.steps) / ((v / (1 - 0.999**self.steps)).sqrt() + 1e-8))
        return found


class Descent:
    def __init__(self, parameters: list[Tensor]) -> None:
        del parameters

    def directions(self, gradients: list[Tensor]) -> list[Tensor]:
        return gradients


OPTIMISERS = {"adam": Adam, "sgd": Descent}


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
    starts: list[Tensor],
    rates: Tensor,
    optimiser: str,
    steps: list[int],
    seeds: list[int],
) -> dict[str, Tensor]:
    """Losses (budgets, rates, seeds) on the splits "choose" and "test", from A = starts[layer]
    (seeds, r, in)."""
    A = [start.expand(len(rates), *start.shape).clone().requires_grad_() for start in starts]
    B = [
        a.new_zeros(*a.shape[:2], out, a.shape[2]).requires_grad_()
        for a, (out, _) in zip(A, task.shapes, strict=True)
    ]
    parameters, method = A + B, OPTIMISERS[optimiser](A + B)
    rngs = [Generator().manual_seed(STREAM + seed) for seed in seeds]
    (x, y), step_size = task.data["train"], rates[:, None, None, None]
    found: dict[str, list[Tensor]] = {"choose": [], "test": []}
    for step in range(1, steps[-1] + 1):
        chosen = torch.stack([torch.randint(x.shape[1], (BATCH,), generator=rng) for rng in rngs])
        seed = torch.arange(len(seeds))[:, None]
        total = losses(task, A, B, x[seed, chosen], y[seed, chosen]).sum()
        gradients = torch.autograd.grad(total, parameters)
        with torch.no_grad():
            for p, direction in zip(parameters, method.directions(list(gradients)), strict=True):
                p -= step_size * direction
            if step in steps:
                for name, values in found.items():
                    values.append(losses(task, A, B, *task.data[name]))
    return {name: torch.stack(values) for name, values in found.items()}


def _best(choose: np.ndarray) -> np.ndarray:
    """Index of the best rate for every budget (budgets, rates, seeds): the least mean loss,
    diverged runs excluded."""
    mean = choose.mean(2)
    return np.where(np.isfinite(mean), mean, np.inf).argmin(1)


def tuned(task: tuple[str, str], steps: list[int], seeds: list[int]) -> dict[str, Any]:
    """For every start of a task and an optimiser its swept rates, and what it captures in the first
    seed's layers."""
    name, optimiser = task
    problem = TASKS[name](seeds)
    rows: list[list[dict[str, Tensor]]] = []
    seen: list[dict[str, dict[str, float]]] = []
    for i, seed in enumerate(seeds):
        x, y = (values[i].split(100) for values in problem.data["train"])
        stats = lora.collect(
            problem.model(i), problem.layers, list(zip(x, y, strict=True)), "gradient", loss_of
        )
        of_layers = [stats[layer] for layer in problem.layers]
        rows.append(
            [
                start_rows(s, out, RANK, seed)
                for s, (out, _) in zip(of_layers, problem.shapes, strict=True)
            ]
        )
        if i == 0:
            seen = [captured(s, starts) for s, starts in zip(of_layers, rows[0], strict=True)]
    result: dict[str, Any] = {"seen": seen}
    for start in STARTS:
        A = [
            torch.stack([layer[start].float() for layer in layers])
            for layers in zip(*rows, strict=True)
        ]
        result[start] = _swept(problem, A, optimiser, steps, seeds)
    return result


def _swept(
    task: Task, starts: list[Tensor], optimiser: str, steps: list[int], seeds: list[int]
) -> dict[str, Any]:
    """For every budget in `steps` the test loss of each seed at the rate that "choose" prefers."""

    def run(which: Sequence[int]) -> dict[str, Array]:
        rates = torch.tensor([10 ** (i / 3) for i in which])
        return {
            split: values.numpy()
            for split, values in train(task, starts, rates, optimiser, steps, seeds).items()
        }

    low, high = GRIDS[optimiser]
    exponents = list(range(low, high + 1))
    found = run(exponents)
    for _ in range(MOST):
        best = _best(found["choose"])
        below = range(exponents[0] - ADDED, exponents[0]) if 0 in best else range(0)
        above = (
            range(exponents[-1] + 1, exponents[-1] + 1 + ADDED)
            if len(exponents) - 1 in best
            else range(0)
        )
        if not [*below, *above]:
            break
        more, n = run([*below, *above]), len(below)
        found = {
            split: np.concatenate([more[split][:, :n], v, more[split][:, n:]], 1)
            for split, v in found.items()
        }
        exponents = [*below, *exponents, *above]
    best, mean = _best(found["choose"]), found["test"].mean(2)
    return {
        "rates": [10 ** (i / 3) for i in exponents],
        "best": best.tolist(),
        "inside": [bool(0 < i < len(exponents) - 1) for i in best],
        "test": [found["test"][budget, i].tolist() for budget, i in enumerate(best)],
        "by rate": [[float(x) if np.isfinite(x) else None for x in row] for row in mean],
    }
