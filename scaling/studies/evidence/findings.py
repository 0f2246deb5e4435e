"""The measured value of every check of the findings, by claim and key."""

from collections.abc import Mapping, Sequence

import numpy as np

from loralab.claims import Measured
from scaling.comparison.summary import Outcomes, Row, runs_of
from scaling.studies.claims.findings import CLAIMS, MARGIN
from scaling.studies.evidence.quantities import (
    difference,
    learning_rate_ratio,
    size_ratio,
    steps_ratio,
    width_difference,
)

BUDGET = ("A alone", "B alone")
FEATURES = ("LoRA", "Init[B]")  # whose inner features are compared
Measurements = dict[str, dict[str, Measured | None]]


def budget(rows: Mapping[str, Row]) -> Measurements:
    """The values that the two adapters train with one factor frozen, and nothing else: all that a
    run of the reduced size tells."""
    nothing: Measurements = {claim.id: dict.fromkeys(claim.keys) for claim in CLAIMS}
    a, b = (rows[name].trained_parameters or 0 for name in BUDGET)
    return nothing | {"S3": {"budget": Measured(*(b / a,) * 3), "accuracy": None}}


def evidence(
    outcomes: Outcomes, rows: Mapping[str, Row], features: Sequence[Sequence[float]]
) -> Measurements:
    """All of them.

    Args:
        outcomes: of every method of the plan.
        rows: the summary of each method.
        features: the size of the inner features of each of FEATURES, seed by seed.
    """
    best = {name: runs_of(outcomes, row) for name, row in rows.items()}
    lora, eva = outcomes["LoRA"], outcomes["EVA"]
    top = rows["LoRA"].rate
    assert top is not None, "LoRA diverged at each of its learning rates"
    lower = max(rate for rate in lora if rate < top)
    seeds = sorted(lora[lower])  # those of the grid: unseen ones have the best learning rate alone
    at_lower = [{seed: rates[lower][seed] for seed in seeds} for rates in (eva, lora)]
    rng = np.random.default_rng(0)

    def gain(name: str, over: str = "LoRA") -> Measured:
        return difference(best[name], best[over], rng)

    return {
        "S1": {"learning rate": learning_rate_ratio(lora, outcomes["Init[B]"], seeds)},
        "S1c": {"accuracy": gain("LoRA", "Init[B]")},
        "S1b": {"inner features": size_ratio(*features)},
        "S2": {name: steps_ratio(best["EVA"], best[name]) for name in ("LoRA", "orthogonal")},
        "S2c": {"steps": steps_ratio(*at_lower)},
        "S2b": {name: gain("EVA", name) for name in ("LoRA", "orthogonal")},
        "S3": budget(rows)["S3"] | {"accuracy": gain("B alone", "A alone")},
        "S4": {"accuracy": gain("B alone, rank 16")},
        "S4b": {"accuracy": gain("B alone")},
        "S5": {"decades": width_difference(outcomes["OP-LoRA"], lora, seeds, MARGIN)},
        "S5b": {"accuracy": gain("OP-LoRA")},
        "S6": {"equal rank": gain("Dash"), "rank r + s": gain("Dash", "LoRA, rank 16")},
        "S6b": {"accuracy": gain("Dash")},
        "S7": {"accuracy": gain("Nyström")},
        "S7b": {
            "weight": gain("gradient Nyström", "Nyström"),
            "LoRA": gain("gradient Nyström"),
        },
    }
