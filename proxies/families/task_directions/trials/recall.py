"""Which source finds planted directions: one gradient, some steps of LoRA, an oracle; each with its
null."""

from typing import Any

import numpy as np
from torch import Generator

import lora
from proxies.families.task_directions.trials.directions import gradient
from proxies.families.task_directions.trials.planted import LAYER, PLANTED, SIZE, problem, task
from proxies.families.task_directions.trials.training import DATA, PICK, Method, change, config, fit
from theory.task_directions import Array, Core, coordinates, overlap
from theory.task_directions.null import Score, rotated, scores

TIMES = (1, 3, 10, 30, 100, 300)
RATE = 2e-3
KINDS: tuple[Score, ...] = ("rate", "abs")
NULL_DRAWS = 50


def recall(case: str, rank: int, seed: int) -> dict[str, Any]:
    """Recall of the eight planted directions among the eight of highest score: {"source, score":
    value}.

    `null` is the mean recall of the Haar-rotated true change, by score. Inputs' variance along v_i,
    which is all that EVA sees, is among the sources: it knows nothing of the task.
    """
    given, on = problem(case, seed), task(case, seed)
    planted = np.zeros(SIZE)
    planted[given.chosen] = 1
    found = {}
    for name, D in _sources(given.D, on, rank, seed).items():
        found |= {
            f"{name}, {kind}": _among(
                scores(given.basis, coordinates(given.basis, D), kind), planted
            )
            for kind in KINDS
        }
    covariance = given.root @ given.root.T
    variance = np.sum((given.basis.Vt @ covariance) * given.basis.Vt, axis=1)
    rng = np.random.default_rng(seed)
    return {
        **found,
        "inputs": _among(variance, planted),
        "null": _null(given.basis, given.D, planted, rng),
    }


def _among(values: Array, planted: Array) -> float:
    return overlap(values, planted, PLANTED, PLANTED)


def _null(basis: Core, D: Array, planted: Array, rng: np.random.Generator) -> dict[str, float]:
    lost = rotated(D, NULL_DRAWS, rng)
    return {
        kind: float(np.mean([_among(scores(basis, a, kind), planted) for a in lost]))
        for kind in KINDS
    }


def _sources(D: Array, on: Any, rank: int, seed: int) -> dict[str, Array]:
    one = gradient(on, Generator().manual_seed(PICK + seed))[LAYER].double().numpy()
    model, steps = on.model(), {}
    lora.attach(model, config(Method(rank), on, seed))

    def keep(step: int) -> None:
        if step in TIMES:
            steps[f"LoRA {step}"] = change(model)[LAYER].double().numpy()

    fit(model, on, RATE, max(TIMES), Generator().manual_seed(DATA + seed), after=keep, decay=False)
    return {"oracle": D, "gradient": one, **steps}
