"""Every method at its own best learning rate: chosen on seeds of its own, compared on others."""

import math
from typing import Any

import numpy as np
import torch

import lora
from proxies.families.task_directions.trials import networks, planted
from proxies.families.task_directions.trials.problem import Task
from proxies.families.task_directions.trials.training import METHODS, trained
from proxies.instruments.learning_rates import Grid, search
from theory.task_directions import learning as theory

GRID = Grid(-5, -3, added=1, rounds=6)


def task(case: str, seed: int) -> Task:
    """A planted problem, or on a pool of data a network and its task: kinds of tasks take turns."""
    if case in networks.POOLS:
        return networks.task(case, networks.KINDS[seed % len(networks.KINDS)], seed)
    return planted.task(case, seed)


def tuned(
    case: str, method: str, seeds: list[int], validation: list[int], steps: int
) -> dict[str, Any]:
    """Errors at the learning rate with the least mean error over other seeds.

    Args:
        case: the kind of problem, or the pool of data.
        method: a key of METHODS.
        seeds: of the problems that methods are compared on.
        validation: seeds of the problems that the learning rate is chosen on.
        steps: updates in all.

    Returns: the search (`edge`: whether the best is outermost), and for each seed the error, the
        rank of the method and the largest of the changes' over layers, the trained numbers, and
        under "bound" what `theory` says that can be reached at best.
    """

    def errors(exponents: list[int]) -> list[float]:
        rates = [GRID.learning_rate(i) for i in exponents]
        runs = [
            [finished(case, method, rate, steps, seed) for seed in validation] for rate in rates
        ]
        return [float(np.mean([run["error"] for run in found])) for found in runs]

    # A run that diverged is worse than any that did not, so the search goes on below it.
    found = search(errors, GRID, lambda x: (0.0, x) if math.isfinite(x) else (1.0, 0.0))
    assert found.learning_rate is not None  # by the criterion, whose first number is finite
    runs = [finished(case, method, found.learning_rate, steps, seed) for seed in seeds]
    return {
        "rate": found.learning_rate,
        "edge": bool(found.edge),
        "rates": found.learning_rates,
        "validation": [x if math.isfinite(x) else None for x in found.results.values()],
        **{key: [run[key] for run in runs] for key in runs[0]},
    }


def finished(case: str, method: str, rate: float, steps: int, seed: int) -> dict[str, Any]:
    on = task(case, seed)
    model = trained(on, method, rate, steps, seed)
    layers = lora.adapters(model)
    return {
        "error": on.error(model),
        "ranks": max(rank_of(layer) for layer in layers.values()),
        "rank": METHODS[method].rank,
        "numbers": sum(p.numel() for layer in layers.values() for _, p in layer.trained()),
        "bound": None if case in networks.POOLS else bound(case, layers[planted.LAYER], seed),
    }


def rank_of(layer: lora.LoRALinear) -> int:
    """Of the change, from its factors in double precision, so that what is beyond it is rounding of
    1e-16."""
    with torch.no_grad():
        L, R = (factor.double() for factor in layer.exported())
    return int(torch.linalg.matrix_rank(L @ R, rtol=1e-9))


def bound(case: str, layer: lora.LoRALinear, seed: int) -> float:
    """theory.task_directions.learning (5), or (7) where the initialization is carried, of the
    planted change, relative to it; inputs count as flat."""
    D = planted.problem(case, seed).D
    carried = None
    if layer.B0 is not None and layer.A0 is not None:
        carried = layer.scale * (layer.B0 @ layer.A0).double().numpy()
    return theory.reach(D, layer.rank, carried)
