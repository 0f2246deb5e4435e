"""Which trials the family runs, and on which problems."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from loralab.memo import Memo
from proxies.families.task_directions.claims.chance import EDGES
from proxies.families.task_directions.trials import (
    first_step,
    invariants,
    nulls,
    predictions,
    recall,
    steps,
    tuning,
)
from proxies.families.task_directions.trials.planted import CASES
from proxies.families.task_directions.trials.training import METHODS
from proxies.instruments.trial_grid import Records, product, trials

FIRST = 9000  # seed of the first draw, network or problem
PROBLEMS = 20  # that recall is measured on
RECALLED = {
    "quick": ("random", "bottom"),
    "default": ("random", "top", "middle", "bottom"),
    "full": [case for case in CASES if case != "none"],
}
"""where the planted directions are that recall is measured of, by size"""
LORA, DASH = ["LoRA, r", "LoRA, 2r", "LoRA, r + s"], ["Dash, pre-launch", "Dash, gradient"]
NOT_ON_DIGITS = ("PiSSA", "MiLoRA", "Dash, gradient by size", "Init, random")
PLACES = ["Dash, oracle", "Dash, random", "Dash, top", "Dash, bottom"]
COMPARED: dict[str, dict[str, Sequence[str]]] = {
    "quick": {"random": ["LoRA, r", "Dash, pre-launch", "Dash, oracle", "Init, oracle", "MiLoRA"]},
    "default": {
        "digits": [method for method in METHODS if method not in NOT_ON_DIGITS],
        "random": list(METHODS),
        "bottom": [*LORA, "MiLoRA", "Init, pre-launch", "TSD, pre-launch", *DASH, *PLACES],
        "none": [*LORA, *DASH, "Dash, random", "Init, pre-launch"],
    },
    "full": {case: list(METHODS) for case in ("digits", "random", "bottom", "top", "none")},
}
"""the methods that are compared on each kind of problem, by size; the longest come first"""


def _tuned(config: Any) -> Records:
    """Points of the methods on each kind of problem."""
    points = []
    for case, methods in COMPARED[config.size].items():
        digits = case == "digits"
        size = {
            "seeds": [FIRST + i for i in range(config.seeds * (3 if digits else 2) // 2)],
            "validation": config.validation * (4 if digits else 1),
            "steps": config.steps // (2 if digits else 1),
        }
        points += [{"case": case, "method": method, **size} for method in methods]
    return points


def _recalled(config: Any) -> Records:
    seeds, points = range(FIRST, FIRST + PROBLEMS), []
    for case in RECALLED[config.size]:
        points += product(case=[case], rank=[2, 8, 32] if case == "random" else [8], seed=seeds)
    return points


def collect(config: Any, memo: Memo) -> dict[str, Records]:
    """The records of every trial by name.

    Args:
        config: the family's Config.
        memo: keeps the results.
    """
    grid = partial(trials, memo)
    seeds, quick = [FIRST + i for i in range(config.seeds)], config.size == "quick"
    spectra = {"kind": ["square", "rectangular", "flat", "edge"], "size": [256], "draws": [60]}
    edges = [
        {"law": law, "s": s, "m": m, "size": 4096, "draws": config.draws, "seed": FIRST}
        for law, s, m in EDGES
    ]
    sources: dict[str, Any] = {"draws": [20 if quick else 50], "updates": [100 if quick else 500]}
    bidiagonal = {"kind": ["bidiagonal"], "size": [4096], "draws": [100]}
    stops = [steps.UPDATES - 40, steps.UPDATES + 10]
    strong: dict[str, Any] = {"size": [64], "rank": [2, 8, 32], "draws": [20000]}
    return {
        "tuned": grid(tuning.tuned, _tuned(config)),
        "recall": grid(recall.recall, _recalled(config)),
        "predicted": grid(predictions.predicted, seed=seeds, **sources),
        "edges": grid(nulls.edge, edges),
        "drawn": grid(nulls.drawn, **spectra, seed=range(FIRST, FIRST + 24)),
        "large": grid(nulls.drawn, **bidiagonal, seed=[] if quick else seeds),
        "transformer": grid(nulls.transformer, draws=[50], seed=[FIRST] * config.transformer),
        "identified": grid(first_step.identified, **strong, seed=seeds[:2]),
        "speed": grid(first_step.speed, size=[64], rank=[4, 16], draws=[300], seed=seeds[:5]),
        "launched": grid(steps.launched, loop=list(steps.LOOPS), seed=seeds[:3]),
        "resumed": grid(steps.resumed, stop=stops, seed=seeds[:3]),
        "invariants": grid(
            invariants.invariants, variant=["dash", "tsd"], seed=range(FIRST, FIRST + 40)
        ),
    }
