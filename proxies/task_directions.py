"""Task-specific directions (arXiv:2409.01035): what their published traits are worth against chance, and what
LoRA-Dash, LoRA-Init and LoRA-TSD gain from them.

Overlaps of unrelated changes against closed forms, the first steps of LoRA and LoRA-Dash, planted directions and nets
on digits adapted by every method and control at its own best rate, and when a launch happens.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lab.memo import Memo
from lab.proxy import Evidence, Proxy
from proxies.task_directions_cells import first_step, foretold, invariants, nulls, recall, steps, tuning
from proxies.task_directions_cells.claims import CLAIMS
from proxies.task_directions_cells.claims_directions import EDGES
from proxies.task_directions_cells.evidence import PARTS, Records
from proxies.task_directions_cells.planted import CASES
from proxies.task_directions_cells.show import figure_data, tables
from proxies.task_directions_cells.training import METHODS

FIRST = 6000  # seed of the first draw, net or problem
RECALLED = ("random", "top", "middle", "bottom")
BARE = ("LoRA, r", "LoRA, 2r", "LoRA, r + s", "Dash, pre-launch", "Dash, random", "Dash, gradient", "Init, pre-launch")
"""the methods that are compared where there are no directions to be found"""


@dataclass(frozen=True)
class Config:
    draws: int = 1000
    """pairs of unrelated changes for each case of the overlap formula"""
    seeds: int = 8
    """problems, nets and starts, seeded 6000, 6001, ..."""
    validation: int = 3
    """planted problems that each method's rate is chosen on; on digits twice as many"""
    steps: int = 600
    """updates of a method on a planted problem; on digits half of them"""
    transformer: bool = True
    """also the null on the trained weights of MiniLM, of the extra llm"""
    full: bool = False
    """also other spectra, inputs and noise of planted problems, and every method on every kind of problem"""

    def __post_init__(self) -> None:
        for name, least, reason in (
            ("draws", 100, "to see an overlap to a hundredth"),
            ("seeds", 4, "for an interval"),
            ("validation", 1, "to choose a rate"),
            ("steps", 300, "for a launch after 100 and the training that follows"),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"--{name} must be at least {least} {reason}, got {getattr(self, name)}.")


def _map(memo: Memo, cell: Callable[..., Any], **axes: Sequence[Any]) -> Records:
    """The cell at every point of a grid: its arguments and its results in one record."""
    points = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    return [{**point, **result} for point, result in zip(points, memo.map(cell, points), strict=True)]


def _tuned(config: Config, memo: Memo, seeds: list[int]) -> Records:
    """The methods on each kind of problem; the longest cells begin first."""
    cells = [
        {
            "case": case,
            "method": method,
            "seeds": seeds,
            "validation": config.validation * (1 + (case == "digits")),
            "steps": config.steps // (1 + (case == "digits")),
        }
        for case in ("digits", "random", "bottom", "none")
        for method in METHODS
        if config.full or case != "none" or method in BARE
    ]
    return [{**cell, **found} for cell, found in zip(cells, memo.map(tuning.tuned, cells), strict=True)]


def _collect(config: Config, memo: Memo) -> dict[str, Records]:
    seeds = [FIRST + i for i in range(config.seeds)]
    many = range(FIRST, FIRST + 2 * config.seeds)
    edges = [
        {"law": law, "s": s, "m": m, "size": 4096, "draws": config.draws, "seed": FIRST}
        for law, s, m in EDGES
    ]  # fmt: skip
    ranks = {case: (2, 8, 32) if case == "random" else (8,) for case in (CASES if config.full else RECALLED)}
    ranks.pop("none", None)
    recalled = [{"case": c, "rank": r, "seed": seed} for c, of in ranks.items() for r in of for seed in many]
    return {
        "edges": [{**p, **r} for p, r in zip(edges, memo.map(nulls.edge, edges), strict=True)],
        "drawn": _map(
            memo, nulls.drawn, kind=["square", "rectangular", "flat"], size=[256], draws=[30],
            seed=range(FIRST, FIRST + 3 * config.seeds),
        ),
        "large": _map(memo, nulls.drawn, kind=["bidiagonal"], size=[4096], draws=[100], seed=many),
        "transformer": memo(nulls.transformer, draws=100, seed=FIRST) if config.transformer else [],
        "identified": _map(
            memo, first_step.identified, size=[64], rank=[2, 8, 32], draws=[20000], seed=seeds[:4],
        ),
        "speed": _map(memo, first_step.speed, size=[64], rank=[4, 16], draws=[500], seed=seeds),
        "recall": [{**p, **r} for p, r in zip(recalled, memo.map(recall.recall, recalled), strict=True)],
        "tuned": _tuned(config, memo, seeds),
        "foretold": _map(memo, foretold.foretold, seed=seeds, draws=[50]),
        "launched": _map(memo, steps.launched, loop=list(steps.LOOPS), seed=seeds[:3]),
        "resumed": _map(memo, steps.resumed, stop=[steps.UPDATES - 40, steps.UPDATES + 10], seed=seeds[:3]),
        "invariants": _map(memo, invariants.invariants, variant=["dash", "tsd"], seed=range(FIRST, FIRST + 40)),
    }  # fmt: skip


def measure(config: Config, memo: Memo) -> Evidence:
    cells = _collect(config, memo)
    measured = {id: checks for part in PARTS for id, checks in part(cells).items()}
    return Evidence({claim.id: measured[claim.id] for claim in CLAIMS}, figure_data(cells), tables(cells))


PROXY = Proxy(
    "task_directions",
    Config,
    CLAIMS,
    measure,
    quick=Config(draws=300, seeds=4, validation=1, steps=300),
)

if __name__ == "__main__":
    PROXY.main()
