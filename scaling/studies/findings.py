"""Published findings on real models, checked by a sweep: `python -m scaling.studies.findings`.

MiniLM learns to which package a docstring belongs. Every method has its own best learning rate,
chosen by validation loss from five rates and more where the best is at an edge; differences are
paired by test example and seed. Where a start has another size than the default's, a control has
the size without the directions: the rows of `orthogonal` are as long as EVA's. The budget of two
adapters is the number of values that they train.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from scaling.comparison.driver import beside, outcomes_of
from scaling.comparison.grid import Grid, methods
from scaling.comparison.report import records
from scaling.comparison.summary import Outcomes, Row, diverged, example_score, runs_of, summarise
from scaling.core.config import Config as Run
from scaling.studies.claims.findings import CLAIMS, MARGIN
from scaling.studies.evidence import (
    difference,
    rate_ratio,
    size_ratio,
    steps_ratio,
    width_difference,
)
from scaling.studies.trials.features import inner_features

RATES = (1e-4, 3.2e-4, 1e-3, 3.2e-3, 1e-2)
BUDGET = ("A alone", "B alone")
METHODS: dict[str, dict[str, Any]] = {
    "LoRA": {},
    "Init[B]": {"scheme": "init_b"},
    "EVA": {"scheme": "eva"},
    "orthogonal": {"scheme": "orthogonal"},
    "B alone": {"train_a": False},
    "A alone": {"scheme": "init_b", "train_b": False},
    "B alone, rank 16": {"train_a": False, "rank": 16, "alpha": 32.0},  # alpha / r stays
    "LoRA, rank 16": {"rank": 16, "alpha": 32.0},
    "OP-LoRA": {"variant": "overparam"},
    "Dash": {"variant": "dash"},
    "Nyström": {"scheme": "nystrom"},
    "gradient Nyström": {"scheme": "nystrom_grad"},
}


@dataclass(frozen=True)
class Config:
    steps: int = 40
    """of training, 16 docstrings each"""
    seeds: int = 3
    """at every learning rate"""
    confirm: int = 5
    """fresh seeds at each method's best rate"""

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("seeds", 1), ("confirm", 0)):
            if (value := getattr(self, name)) < least:
                raise ValueError(f"--{name} must be at least {least}, got {value}")

    @property
    def reduced(self) -> bool:
        """Too small for anything but the budgets."""
        return self.seeds < 2


def grid_of(config: Config) -> tuple[Run, Grid]:
    """The run that all methods share, and the grid; `loralab sweep` on them finds the same
    cells."""
    steps = config.steps
    run = Run.of(steps=steps, batch=16, length=32, validate_every=steps, launch_step=10)
    if config.reduced:
        return run.replace(limit=12), Grid((), rates=RATES[2:3], seeds=(0,), widen=0)
    return run, Grid(
        (), rates=RATES, seeds=tuple(range(config.seeds)), confirm=config.confirm, margin=MARGIN
    )


def measure(config: Config, memo: Memo) -> Evidence:
    run, grid = grid_of(config)
    named = {name: METHODS[name] for name in (BUDGET if config.reduced else METHODS)}
    compared = methods(run, grid, named)
    outcomes = outcomes_of(compared, grid, memo)
    rows = {
        row.method: row
        for row in summarise(outcomes, next(iter(named)), MARGIN, np.random.default_rng(0))
    }
    budget = [rows[name].trained_parameters or 0 for name in BUDGET]
    equal = Measured(*(budget[1] / budget[0],) * 3)
    tables = {"each method at its best rate": records(list(rows.values()))}
    if config.reduced:
        measured: dict[str, Sequence[Measured | None]] = {
            claim.id: [None] * len(claim.checks) for claim in CLAIMS
        }
        return Evidence(measured | {"S3": [equal, None]}, {}, tables)
    best_rate = {name: row.rate for name, row in rows.items() if row.rate is not None}
    sizes = [
        beside(
            inner_features, [compared[name].at(best_rate[name], seed) for seed in grid.seeds], memo
        )
        for name in ("LoRA", "Init[B]")
    ]
    return Evidence(
        _measured(outcomes, rows, best_rate, grid, sizes, equal), _drawn(outcomes, rows), tables
    )


def _measured(
    outcomes: Outcomes,
    rows: Mapping[str, Row],
    best_rate: Mapping[str, float],
    grid: Grid,
    sizes: Sequence[Sequence[float]],
    equal: Measured,
) -> dict[str, Sequence[Measured | None]]:
    best = {name: runs_of(outcomes, row) for name, row in rows.items()}
    lower = max(rate for rate in outcomes["LoRA"] if rate < best_rate["LoRA"])
    at_one_rate = [
        {seed: outcomes[name][lower][seed] for seed in grid.seeds} for name in ("EVA", "LoRA")
    ]
    rng = np.random.default_rng(0)

    def gain(name: str, over: str = "LoRA") -> Measured:
        return difference(best[name], best[over], rng)

    return {
        "S1": [rate_ratio(outcomes["LoRA"], outcomes["Init[B]"], grid.seeds)],
        "S1c": [gain("LoRA", "Init[B]")],
        "S1b": [size_ratio(*sizes)],
        "S2": [steps_ratio(best["EVA"], best[name]) for name in ("LoRA", "orthogonal")],
        "S2c": [steps_ratio(*at_one_rate)],
        "S2b": [gain("EVA"), gain("EVA", "orthogonal")],
        "S3": [equal, gain("B alone", "A alone")],
        "S4": [gain("B alone, rank 16")],
        "S4b": [gain("B alone")],
        "S5": [width_difference(outcomes["OP-LoRA"], outcomes["LoRA"], grid.seeds, MARGIN)],
        "S5b": [gain("OP-LoRA")],
        "S6": [gain("Dash"), gain("Dash", "LoRA, rank 16")],
        "S6b": [gain("Dash")],
        "S7": [gain("Nyström")],
        "S7b": [gain("gradient Nyström", "Nyström"), gain("gradient Nyström")],
    }


def _drawn(outcomes: Outcomes, rows: Mapping[str, Row]) -> dict[str, Any]:
    """By method: rate and mean score where no run diverged, the best rate, the difference from
    LoRA."""
    return {
        name: {
            "rates": [
                [rate, float(np.mean([example_score(run) for run in runs.values()]))]
                for rate, runs in sorted(outcomes[name].items())
                if not any(map(diverged, runs.values()))
            ],
            "best": row.rate,
            "difference": row.difference
            and [row.difference.value, row.difference.low, row.difference.high],
        }
        for name, row in rows.items()
    }


PROXY = Proxy(
    "findings",
    Config,
    CLAIMS,
    measure,
    quick=Config(steps=1, seeds=1, confirm=0),
    package="scaling.studies",
)

if __name__ == "__main__":
    PROXY.main()
