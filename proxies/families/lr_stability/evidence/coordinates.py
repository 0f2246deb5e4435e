"""The coordinate check as evidence: slopes in width of the features inside a small Llama, beside
the calculus."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.memo import Memo
from loralab.statistics import mean
from proxies.instruments.architectures import SMALL_LLAMA
from proxies.instruments.coordinates import QUANTITIES, coordinates, fitted
from theory.lr_stability import exponents

STEPS = 6  # by then the term that leads at infinite width leads at width 64
RATE = 0.3
SLOW = RATE / 10
# Scheme, c_A and c_B, k, and whether all layers are trained at once.
CASES: dict[str, tuple[str, tuple[float, float], float, bool]] = {
    "Init[A]": ("init_a", (-0.5, -0.5), RATE, False),
    "Init[B]": ("init_b", (-1.0, -1.0), RATE, False),
    "LoRA+": ("init_a", (-1.0, 0.0), RATE, False),
    "Init[B], too fast": ("init_b", (-0.5, -0.5), RATE, False),
    "Init[B], too fast, small k": ("init_b", (-0.5, -0.5), SLOW, False),
    "Init[A], together": ("init_a", (-0.5, -0.5), RATE, True),
    "Init[B], together": ("init_b", (-1.0, -1.0), RATE, True),
    "LoRA+ from Init[B], together": ("init_b", (-1.0, 0.0), RATE, True),
    "LoRA+, together": ("init_a", (-1.0, 0.0), RATE, True),
}
Slopes = dict[str, np.ndarray]  # by case, (seeds, layers, quantities, steps)


def collect(memo: Memo, widths: Sequence[int], seeds: Sequence[int]) -> Slopes:
    """Every case at every width and seed, a cell each, the dearest first."""
    points = [
        {
            "config": SMALL_LLAMA,
            "width": width,
            "seed": seed,
            "scheme": scheme,
            "exponents": list(c),
            "steps": STEPS,
            "rank": 4,
            "rate": rate,
            "blocks": 2,
            "together": together,
        }
        for width in sorted(widths, reverse=True)
        for scheme, c, rate, together in CASES.values()
        for seed in seeds
    ]
    cells = iter(memo.map(coordinates, points))
    rows: dict[str, list[Any]] = {case: [] for case in CASES}
    for _ in widths:
        for case in CASES:
            rows[case].append([next(cells) for _ in seeds])
    return {case: fitted(sorted(widths, reverse=True), found) for case, found in rows.items()}


def _excess(slopes: np.ndarray, case: str) -> list[Measured]:
    """Slope minus exponent of every quantity after the last step: mean over layers, interval over
    seeds."""
    scheme, c, _, _ = CASES[case]
    orders = exponents(scheme, steps=STEPS)
    means = slopes[..., -1].mean(1)  # (seeds, quantities)
    return [mean(means[:, i] - float(getattr(orders, q)(*c))) for i, q in enumerate(QUANTITIES)]


def evidence(slopes: Mapping[str, np.ndarray]) -> dict[str, list[Measured | None]]:
    """Of L13, L13b and L13c; None for all where nothing was measured, since transformers is an
    optional extra."""
    if not slopes:
        return {"L13": [None] * 3, "L13b": [None] * 3, "L13c": [None] * 4}

    def farthest(case: str) -> Measured:
        return max(_excess(slopes[case], case), key=lambda m: max(-m.low, m.high))

    def highest(case: str) -> Measured:
        return max(_excess(slopes[case], case), key=lambda m: m.high)

    def growth(case: str, step: int) -> Measured:
        return mean(slopes[case][:, :, QUANTITIES.index("Z_B"), step - 1].mean(1))

    return {
        "L13": [farthest(case) for case in ("Init[A]", "Init[B]", "LoRA+")],
        "L13b": [
            growth("Init[B], too fast", STEPS),
            growth("Init[B], too fast", 1),
            growth("Init[B], too fast, small k", STEPS),
        ],
        "L13c": [highest(case) for case in CASES if case.endswith("together")],
    }


def table(slopes: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Slopes after the last step with the exponents in brackets, a row for each case."""
    rows = []
    for case, found in slopes.items():
        scheme, c, rate, _ = CASES[case]
        orders = exponents(scheme, steps=STEPS)
        row: dict[str, Any] = {"case": case, "c_A": c[0], "c_B": c[1], "k": rate}
        for i, q in enumerate(QUANTITIES):
            row[q] = f"{found[:, :, i, -1].mean():.2f} ({float(getattr(orders, q)(*c)):g})"
        rows.append(row)
    return rows
