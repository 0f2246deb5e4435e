"""A small network: what LoRA, a gradient, another run and another task say about the directions
that full fine-tuning changes."""

from itertools import permutations
from typing import Any

import numpy as np
from torch import Generator

import lora
from proxies.families.task_directions.trials.directions import Changes, known
from proxies.families.task_directions.trials.networks import (
    AGAIN,
    KINDS,
    MIDDLE,
    POOLS,
    base,
    cross_entropy,
    data,
    full_change,
    task,
)
from proxies.families.task_directions.trials.training import DATA, Method, change, config, fit
from theory.task_directions import Array, Core, core, energy, rates, top
from theory.task_directions.null import Score, haar, overlaps, rotated

TIMES = (10, 100, 500)
RATE = 2e-3
SCORES: tuple[Score, ...] = ("rate", "abs")
LORA, ROTATED = "LoRA 100", "rotated"
RUN, TASK, LORA_OF_TASK = "another run", "another task", "LoRA 100, another task"


def predicted(pool: str, seed: int, draws: int, updates: int) -> dict[str, Any]:
    """What each source says of the directions that full fine-tuning changes in the square layer.

    The true change is that of full fine-tuning. Sources are what LoRA on this layer alone has
    changed after 10, 100 and 500 updates, the gradient of the training loss at the pretrained
    weights, a Haar-rotated true change as a control of the null, the true change of another run on
    the task, and of each other task of that network the true change and what LoRA has changed.

    Args:
        pool: where the data come from, a key of `networks.POOLS`.
        seed: of the network and its tasks.
        draws: of the null.
        updates: of LoRA.

    Returns: {"overlaps": [{task, source, score, sizes, value, null, spread}, ..], "profiles": ..};
        profiles hold phi, the share of the rates' sum that the eight largest hold, and their mean
        rank from the smallest singular value.
    """
    basis = core(base(pool, seed)[2].weight.detach().double().numpy())  # type: ignore[union-attr]
    rng = np.random.default_rng(seed)
    true = {kind: _array(full_change(pool, kind, seed)) for kind in KINDS}
    nulls = {kind: rotated(D, draws, rng) for kind, D in true.items()}
    sources = {kind: _sources(pool, kind, seed, updates) for kind in KINDS}
    found, profiles = [], []
    for kind in KINDS:
        left, right = (haar(len(basis.sigma), len(basis.sigma), rng) for _ in range(2))
        sources[kind][ROTATED] = left @ true[kind] @ right
        sources[kind][RUN] = _array(full_change(pool, kind, seed, AGAIN))
        found += [
            _compared(basis, source, D, kind, true[kind], nulls[kind])
            for source, D in sources[kind].items()
        ]
        rate = rates(basis, true[kind])
        first = top(rate, 8)
        profiles.append(
            {
                "task": kind,
                "phi": energy(basis, true[kind]),
                "held": float(rate[first].sum() / rate.sum()),
                "bottom_rank": float(np.mean(len(rate) - 1 - first)),
            }
        )
    for one, other in permutations(KINDS, 2):
        for source, D in ((TASK, true[one]), (LORA_OF_TASK, sources[one].get(LORA))):
            if D is not None:
                found.append(_compared(basis, source, D, other, true[other], nulls[other]))
    return {"overlaps": [record for records in found for record in records], "profiles": profiles}


def _array(changes: Changes) -> Array:
    return changes[MIDDLE].double().numpy()


def _sources(pool: str, kind: str, seed: int, updates: int) -> dict[str, Array]:
    on = task(pool, kind, seed, (MIDDLE,))
    model, steps = on.model(), {}
    lora.attach(model, config(Method(), on, seed))

    def keep(step: int) -> None:
        if step in TIMES:
            steps[f"LoRA {step}"] = _array(change(model))

    fit(model, on, RATE, updates, Generator().manual_seed(DATA + seed), after=keep, decay=False)
    stats = lora.collect(
        base(pool, seed),
        [MIDDLE],
        [data(pool, kind, seed)[0]],
        "gradient",
        cross_entropy,
        max_tokens=POOLS[pool].train,
    )
    return {**steps, "gradient": known(stats[MIDDLE].gradient).double().numpy()}


def _compared(
    basis: Core, source: str, D: Array, kind: str, true: Array, null: Array
) -> list[dict[str, Any]]:
    return [
        {"task": kind, "source": source, "score": score, "sizes": sizes, **found._asdict()}
        for score in SCORES
        for sizes, found in overlaps(basis, D, true, null, score).items()
    ]
