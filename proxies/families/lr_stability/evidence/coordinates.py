"""The coordinate check as evidence: slopes in the width of the features inside transformers,
against their exponents."""

from collections.abc import Mapping

import numpy as np

from loralab.claims import Measured
from loralab.statistics import farthest, highest, mean
from proxies.families.lr_stability.claims.checks import GROWS
from proxies.families.lr_stability.claims.coordinates import (
    ALONE,
    GROWTHS,
    MODELS,
    STEPS,
    TOGETHER,
    key_in,
)
from proxies.families.lr_stability.trials.coordinates import CASES
from proxies.instruments.coordinates import QUANTITIES
from theory.lr_stability import exponents


def of_coordinates(
    slopes: Mapping[tuple[str, str], np.ndarray],
) -> dict[str, dict[str, Measured | None]]:
    """L13, L13b and L13c, from the slopes of every model and case."""

    def growth(model: str, key: str) -> Measured:
        case, step, _ = GROWTHS[key]
        Z_B = slopes[model, case][:, :, QUANTITIES.index("Z_B"), step - 1]
        return mean(Z_B.mean(1).tolist())

    found: dict[str, dict[str, Measured | None]] = {"L13": {}, "L13b": {}, "L13c": {}}
    for model in MODELS:
        for key in ALONE:
            found["L13"][key_in(model, key)] = farthest(_excess(slopes[model, key], key))
        for key in TOGETHER:
            case = f"{key}, together"
            found["L13c"][key_in(model, key)] = highest(_excess(slopes[model, case], case))
        found["L13b"][key_in(model, GROWS)] = growth(model, "last step")
        found["L13b"] |= {key_in(model, key): growth(model, key) for key in GROWTHS}
    return found


def _excess(slopes: np.ndarray, case: str) -> list[Measured]:
    """Slope minus exponent of every quantity after the last step: mean over layers, interval over
    seeds."""
    orders = exponents(CASES[case].scheme, steps=STEPS)
    means = slopes[..., -1].mean(1)  # (seeds, quantities)
    return [
        mean((means[:, i] - float(getattr(orders, q)(*CASES[case].exponents))).tolist())
        for i, q in enumerate(QUANTITIES)
    ]
