"""A made-up world for the evidence of the image-generation family: every trial has a value of its
own."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from loralab.claims import Measured
from proxies.families.overparam_generation.evidence import evidence
from proxies.families.overparam_generation.trials.plan import Trials
from tests.support.worlds.overparam_generation.exchanges import EXCHANGES
from tests.support.worlds.overparam_generation.made import (
    BEST,
    ENDS,
    FAST,
    FIXED,
    METHODS,
    RANKS,
    RATES,
    SEEDS,
    SLOW,
    distances,
    table,
    value,
    world,
)

__all__ = ["EXCHANGES", "EXPECTED", "SAME", "measured", "world"]


def measured(trials: Trials) -> dict[str, dict[str, Measured | None]]:
    return evidence(trials)


def geometric(values: Any) -> float:
    return float(np.exp(np.log(values).mean()))


def at(row: int, method: str, rank: int, target: str = "classes") -> np.ndarray:
    return distances(target, method, rank)[row]


def paired(quantity: Callable[[str, str, int], float]) -> dict[str, float]:
    return {
        f"OP-{plain}, rank {rank}": quantity(f"OP-{plain}", plain, rank)
        for plain in ("LoRA", "DoRA")
        for rank in RANKS
    }


def ratios(row: int, target: str = "classes") -> dict[str, float]:
    return paired(
        lambda over, plain, rank: geometric(
            at(row, over, rank, target) / at(row, plain, rank, target)
        )
    )


def equal(target: str) -> dict[str, float]:
    return paired(
        lambda over, plain, rank: geometric(
            at(FIXED, over, rank, target) / table(target, plain, rank, "equal")[0]
        )
    )


def twice(found: dict[str, float], more: str) -> dict[str, float]:
    """Each with a margin of ours on the same datum."""
    return found | {key + more: x for key, x in found.items()}


def half(over: str, plain: str, rank: int) -> float:
    return geometric(at(BEST, over, rank) / at(BEST, plain, 2 * rank))


def end(method: str, rank: int, side: int) -> np.ndarray:
    """log10 of where each seed's distance passes 1.5 times that at BEST, on one side of it."""
    found = []
    for curve in np.log2(distances("classes", method, rank)).T:
        limit = curve[BEST] + math.log2(1.5)
        i = next(i for i in range(BEST + side, 99 * side, side) if curve[i] > limit)
        share = (limit - curve[i - side]) / (curve[i] - curve[i - side])
        found.append((i - side + share * side - 9) / 2)
    return np.array(found)


def width(method: str, rank: int) -> float:
    return float((end(method, rank, 1) - end(method, rank, -1)).mean())


def lag(rank: int) -> float:
    """Decades from 1e-3 down to where OP-LoRA is as far as LoRA is there."""
    slow, falling = at(SLOW, "LoRA", rank), distances("classes", "OP-LoRA", rank)
    found = []
    for wanted, curve in zip(np.log2(slow), np.log2(falling).T, strict=True):
        i = next(i for i in range(len(RATES)) if curve[i] <= wanted)
        share = (curve[i - 1] - wanted) / (curve[i - 1] - curve[i])
        found.append((SLOW - (i - 1 + share)) / 2)
    return float(np.mean(found))


def mean(name: str, quantity: str) -> float:
    return float(np.mean([value(name, quantity, i) for i in range(SEEDS)]))


def over_base(method: str) -> float:
    before = [value("classes", "base MMD", i) for i in range(SEEDS)]
    return geometric(at(BEST, method, 1) / before)


def share_gained(method: str) -> float:
    before = mean("classes", "base share")
    return float(table("classes", method, 1, "share")[BEST].mean()) - before


RISE = geometric([value("MMD", i) / value("CMMD", i) for i in range(SEEDS)])
EXPECTED: dict[str, dict[str, float]] = {
    "OP14": {end: float(np.median([value("ends", end, i) for i in range(SEEDS)])) for end in ENDS},
    "OP14b": {
        "means": mean("classes", "ten times the shift"),
        "rise": RISE,
        "rise by half": RISE,
    },
    "OP14d": {
        kind: float(np.mean([value(kind, size, i) for size in (50, 20) for i in range(SEEDS)]))
        for kind in ("biased", "unbiased")
    },
    "OP15": {f"{method}, distance": over_base(method) for method in METHODS}
    | {f"{method}, share": share_gained(method) for method in METHODS},
    "OP15b": ratios(FIXED)
    | {"rank 1 over rank 4": geometric(at(FIXED, "OP-LoRA", 1) / at(FIXED, "LoRA", 4))},
    "OP15c": twice(ratios(BEST), ", by a fifth"),
    "OP15d": twice(
        {
            f"OP-{plain}, rank {rank} for {2 * rank}": half(f"OP-{plain}", plain, rank)
            for plain in ("LoRA", "DoRA")
            for rank in (1, 2)
        },
        ", within a fifth",
    ),
    "OP15i": {plain: half(plain, plain, 2) for plain in ("LoRA", "DoRA")},
    "OP15e": paired(lambda over, plain, rank: width(over, rank) - width(plain, rank)),
    "OP15f": {f"rank {rank}": lag(rank) for rank in RANKS},
    "OP15g": {
        f"rank {rank}": float(table("classes", "OP-LoRA", rank, "alive")[FAST].mean())
        for rank in RANKS
    },
    "OP15l": {
        f"rank {rank}": float((end("LoRA", rank, 1) - end("OP-LoRA", rank, 1)).mean())
        for rank in RANKS
    },
    "OP15h": ratios(FIXED, "style"),
    "OP15j": twice(ratios(BEST, "style"), ", by a fifth"),
    "OP15k": equal("classes"),
    "OP15m": equal("style"),
}
SAME = (
    frozenset({"OP14b/rise", "OP14b/rise by half"}),
    *(
        frozenset({f"{id}/{key}", f"{id}/{key}{more}"})
        for id, more in (
            ("OP15c", ", by a fifth"),
            ("OP15j", ", by a fifth"),
            ("OP15d", ", within a fifth"),
        )
        for key in EXPECTED[id]
        if not key.endswith(more)
    ),
)
