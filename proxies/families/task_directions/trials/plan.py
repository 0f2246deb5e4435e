"""Which trials the family runs, and on which problems."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from loralab.memo import Memo
from proxies.families.task_directions.claims.chance import EDGES
from proxies.families.task_directions.trials import (
    first_step,
    networks,
    nulls,
    predictions,
    recall,
    tuning,
)
from proxies.families.task_directions.trials.planted import CASES
from proxies.families.task_directions.trials.training import METHODS
from proxies.instruments.trial_grid import Records, product, trials

PROBLEMS = {"quick": 20, "default": 40, "full": 40}  # that recall is measured on
WEIGHTS = {"rectangular": 24, "flat": 24, "square": 24, "bidiagonal": 24}
SIZES = {"bidiagonal": 4096}  # 256 for the others
CHOICE = 500  # from this seed of the block on, problems that learning rates are chosen on
RECALLED = {
    "quick": ("random", "bottom"),
    "default": ("random", "top", "middle", "bottom"),
    "full": [case for case in CASES if case not in ("none", "grown")],
}
"""where the planted directions are that recall is measured of, by size"""
DASH, INIT, TSD = "Dash, pre-launch", "Init, pre-launch", "TSD, pre-launch"
ON_NETWORKS = ["LoRA, r", DASH, "Dash, random", INIT, TSD]
COMPARED: dict[str, dict[str, Sequence[str]]] = {
    "quick": {"random": ["LoRA, r", DASH, "Dash, random", "Dash, oracle", INIT, "MiLoRA"]},
    "default": {
        "clusters": ON_NETWORKS,
        "random": [
            *("LoRA, r", "LoRA, 2r", "LoRA, r + s", "MiLoRA"),
            *(DASH, "Dash, gradient", "Dash, oracle", "Dash, random"),
            *(INIT, "Init, random", TSD, "TSD, random"),
        ],
        "bottom": ["LoRA, r", "LoRA, r + s", DASH, "Dash, oracle"],
        "none": ["LoRA, r", DASH, INIT, TSD],
        "grown": ["LoRA, r", INIT, TSD],
    },
    "full": {
        "digits": [*ON_NETWORKS, "LoRA, 2r", "LoRA, r + s"],
        "clusters": [*ON_NETWORKS, "LoRA, 2r", "LoRA, r + s"],
        **{case: list(METHODS) for case in ("random", "bottom", "top", "none", "grown")},
    },
}
"""the methods that are compared on each kind of problem, by size; the longest come first"""


def _tuned(config: Any) -> Records:
    """Points of the methods on each kind of problem; on networks twice as many to choose on, where
    two learning rates may be few examples apart, and three quarters of the steps."""
    points = []
    for case, methods in COMPARED[config.size].items():
        net = case in networks.POOLS
        choice = range(config.validation * (2 if net else 1))
        size = {
            "seeds": [config.block + i for i in range(config.seeds)],
            "validation": [config.block + CHOICE + i for i in choice],
            "steps": config.steps * 3 // 4 if net else config.steps,
        }
        points += [{"case": case, "method": method, **size} for method in methods]
    return points


def _recalled(config: Any) -> Records:
    seeds, points = range(config.block, config.block + PROBLEMS[config.size]), []
    for case in RECALLED[config.size]:
        points += product(case=[case], rank=[2, 8, 32] if case == "random" else [8], seed=seeds)
    return points


def _predicted(config: Any) -> Records:
    """A network for each seed on data drawn for it, and one on each disjoint part of the digits."""
    counts = {"clusters": config.seeds, "disjoint digits": min(config.seeds, networks.PARTS)}
    size = {"draws": 30, "updates": 500 if config.size == "full" else 100}
    return [
        {"pool": pool, "seed": config.block + i, **size}
        for pool, count in counts.items()
        for i in range(count)
    ]


def _weights(config: Any) -> Records:
    few = {"bidiagonal": 0} if config.size == "quick" else {}
    return [
        {"kind": kind, "size": SIZES.get(kind, 256), "draws": 60, "seed": config.block + i}
        for kind, count in (WEIGHTS | few).items()
        for i in range(count)
    ]


def collect(config: Any, memo: Memo) -> dict[str, Records]:
    """The records of every trial by name.

    Args:
        config: the family's Config.
        memo: keeps the results.
    """
    grid = partial(trials, memo)
    seeds = [config.block + i for i in range(config.seeds)]
    edges = [
        {"law": law, "s": s, "m": m, "size": 1024, "draws": config.draws, "seed": config.block}
        for law, s, m in EDGES
    ]
    strong: dict[str, Any] = {"size": [16], "rank": [2, 4, 16], "draws": [6000]}
    return {
        "tuned": grid(tuning.tuned, _tuned(config)),
        "recall": grid(recall.recall, _recalled(config)),
        "predicted": grid(predictions.predicted, _predicted(config)),
        "edges": grid(nulls.edge, edges),
        "drawn": grid(nulls.drawn, _weights(config)),
        "transformer": grid(
            nulls.transformer, draws=[100], seed=[config.block] * config.transformer
        ),
        "identified": grid(first_step.identified, **strong, seed=seeds),
        "speed": grid(first_step.speed, size=[64], rank=[4, 16], draws=[500], seed=seeds),
    }
