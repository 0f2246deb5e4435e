"""Every method at its own best rate: chosen on seeds of its own, compared on others."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import lora
from proxies.families.task_directions.trials import digits, planted
from proxies.families.task_directions.trials.problem import Task
from proxies.families.task_directions.trials.training import METHODS, trained
from theory.task_directions import learning as theory

MIDDLE = -4  # exponent i of the rates 10^(i/2) that the search begins at
MOST = 6  # rates tried beyond the first three
VALIDATION = 10**5  # first of the seeds that rates are chosen on


def task(case: str, seed: int) -> Task:
    """A planted problem, or on "digits" the net and task of a seed: kinds of tasks take turns."""
    return (
        digits.task(digits.KINDS[seed % len(digits.KINDS)], seed)
        if case == "digits"
        else planted.task(case, seed)
    )


def tuned(case: str, method: str, seeds: list[int], validation: int, steps: int) -> dict[str, Any]:
    """Errors on `seeds` at the rate with the least mean error over `validation` other seeds.

    The grid, two rates a decade, grows until its best is inside; `edge` says if that did not come
    about. `ranks` are those of the whole change, the largest over layers; `bound` is what `theory`
    says that can be reached at best.
    """
    others = range(VALIDATION, VALIDATION + validation)
    scores: dict[int, float] = {}

    def score(i: int) -> float:
        if i not in scores:
            mean = float(
                np.mean(
                    [finished(case, method, 10 ** (i / 2), steps, seed)["error"] for seed in others]
                )
            )
            scores[i] = mean if math.isfinite(mean) else math.inf
        return scores[i]

    best = search(score)
    runs = [finished(case, method, 10 ** (best / 2), steps, seed) for seed in seeds]
    return {
        "rate": 10 ** (best / 2),
        "edge": best in (min(scores), max(scores)),
        "rates": [10 ** (i / 2) for i in sorted(scores)],
        "validation": [scores[i] if math.isfinite(scores[i]) else None for i in sorted(scores)],
        **{key: [run[key] for run in runs] for key in runs[0]},
    }


def search(score: Callable[[int], float]) -> int:
    """The exponent of least score among those tried: the first three, and neighbours for as long as
    the best is outermost, at most `MOST` of them."""
    tried = [MIDDLE - 1, MIDDLE, MIDDLE + 1]
    for _ in range(MOST):
        best = min(tried, key=score)
        if best not in (tried[0], tried[-1]):
            break
        tried = [best - 1, *tried] if best == tried[0] else [*tried, best + 1]
    return min(tried, key=score)


def finished(case: str, method: str, rate: float, steps: int, seed: int) -> dict[str, Any]:
    on = task(case, seed)
    model = trained(on, method, rate, steps, seed)
    layers = lora.adapters(model)
    return {
        "error": on.error(model),
        "ranks": max(rank_of(layer) for layer in layers.values()),
        "start_rank": METHODS[method].rank,
        "numbers": sum(p.numel() for layer in layers.values() for _, p in layer.trained()),
        "bound": None if case == "digits" else bound(case, layers[planted.LAYER], seed),
    }


def rank_of(layer: lora.LoRALinear) -> int:
    """Of the change, from its factors in double precision, so that what is beyond it is rounding of
    1e-16."""
    with torch.no_grad():
        L, R = (factor.double() for factor in layer.exported())
    return int(torch.linalg.matrix_rank(L @ R, rtol=1e-9))


def bound(case: str, layer: lora.LoRALinear, seed: int) -> float:
    """(5), or (7) for a start that is carried, of the planted change, relative to it; inputs count
    as flat."""
    D = planted.problem(case, seed).D
    start = None
    if layer.B0 is not None and layer.A0 is not None:
        start = layer.scale * (layer.B0 @ layer.A0).double().numpy()
    return theory.reach(D, layer.rank, start)
