"""Features inside a small Llama at several widths, for every case of the claims L13 to L13c."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from loralab.memo import Memo
from proxies.instruments.architectures import SMALL_LLAMA
from proxies.instruments.coordinates import coordinates, fitted
from proxies.instruments.trial_grid import product

STEPS = 6  # by then the term that leads at infinite width leads at width 64
RATE = 0.3
Slopes = dict[str, np.ndarray]  # by case, (seeds, layers, quantities, steps)


class Case(NamedTuple):
    """A scheme at the learning rates k n^c_A and k n^c_B, its layers trained alone or together."""

    scheme: str
    exponents: tuple[float, float]
    rate: float = RATE
    together: bool = False


CASES = {
    "Init[A]": Case("init_a", (-0.5, -0.5)),
    "Init[B]": Case("init_b", (-1.0, -1.0)),
    "LoRA+ from Init[A]": Case("init_a", (-1.0, 0.0)),
    "Init[B], too fast": Case("init_b", (-0.5, -0.5)),
    "Init[B], too fast, small k": Case("init_b", (-0.5, -0.5), RATE / 10),
    "Init[A], together": Case("init_a", (-0.5, -0.5), together=True),
    "Init[B], together": Case("init_b", (-1.0, -1.0), together=True),
    "LoRA+ from Init[B], together": Case("init_b", (-1.0, 0.0), together=True),
    "LoRA+ from Init[A], together": Case("init_a", (-1.0, 0.0), together=True),
}


def collect(memo: Memo, widths: Sequence[int], seeds: Sequence[int]) -> Slopes:
    """The slopes of every case: a trial for each case, width and seed, the slowest first."""
    fixed = {"config": SMALL_LLAMA, "steps": STEPS, "rank": 4, "blocks": 2}
    descending = sorted(widths, reverse=True)
    points = product(width=descending, case=list(CASES), seed=seeds)
    results = memo.map(
        coordinates,
        [
            {**fixed, **_arguments(CASES[p["case"]]), "width": p["width"], "seed": p["seed"]}
            for p in points
        ],
    )
    rows: dict[str, list[list[Any]]] = {case: [[] for _ in widths] for case in CASES}
    for point, result in zip(points, results, strict=True):
        rows[point["case"]][descending.index(point["width"])].append(result)
    return {case: fitted(descending, found) for case, found in rows.items()}


def _arguments(case: Case) -> dict[str, Any]:
    return {**case._asdict(), "exponents": list(case.exponents)}
