"""The coordinate check as evidence: slopes in the width of the features inside a small Llama,
against their exponents."""

from collections.abc import Mapping

import numpy as np

from loralab.claims import Measured
from loralab.statistics import mean
from proxies.families.lr_stability.claims.coordinates import ALONE, TOGETHER
from proxies.families.lr_stability.trials.coordinates import CASES, STEPS
from proxies.instruments.coordinates import QUANTITIES
from theory.lr_stability import exponents


def of_coordinates(slopes: Mapping[str, np.ndarray]) -> dict[str, dict[str, Measured | None]]:
    """L13, L13b and L13c, from the slopes of every case."""

    def farthest(case: str) -> Measured:
        return max(_excess(slopes[case], case), key=lambda m: max(-m.low, m.high))

    def highest(case: str) -> Measured:
        return max(_excess(slopes[case], case), key=lambda m: m.high)

    def growth(case: str, step: int) -> Measured:
        return mean(slopes[case][:, :, QUANTITIES.index("Z_B"), step - 1].mean(1))

    return {
        "L13": {case: farthest(case) for case in ALONE},
        "L13b": {
            "last step": growth("Init[B], too fast", STEPS),
            "first step": growth("Init[B], too fast", 1),
            "small k": growth("Init[B], too fast, small k", STEPS),
        },
        "L13c": {case: highest(f"{case}, together") for case in TOGETHER},
    }


def _excess(slopes: np.ndarray, case: str) -> list[Measured]:
    """Slope minus exponent of every quantity after the last step: mean over layers, interval over
    seeds."""
    orders = exponents(CASES[case].scheme, steps=STEPS)
    means = slopes[..., -1].mean(1)  # (seeds, quantities)
    return [
        mean(means[:, i] - float(getattr(orders, q)(*CASES[case].exponents)))
        for i, q in enumerate(QUANTITIES)
    ]
