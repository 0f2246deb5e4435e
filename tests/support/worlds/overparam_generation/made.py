"""The made-up trials of image generation.

Validation is least at BEST for every method; the test's distances are least one learning rate
below, so that a choice by the test would be another one.
"""

import zlib
from typing import Any

import numpy as np

from proxies.families.overparam_generation.trials.plan import Trials

SEEDS, BEST = 6, 6
RATES = [10 ** (i / 2) for i in range(-9, 1)]
FIXED, FAST, SLOW = 1, 5, 3  # where 1e-4, 1e-2 and 1e-3 are
METHODS, RANKS, TARGETS = ("LoRA", "OP-LoRA", "DoRA", "OP-DoRA"), (1, 2, 4), ("classes", "style")
SCORES = ("MMD", "MMD, unbiased", "CMMD", "CMMD, unbiased", "share")
ENDS = ("greatest", "not negative", "least beyond means", "most beyond means")
SLOWER = {"LoRA": 4, "DoRA": 4, "OP-LoRA": 3, "OP-DoRA": 3}  # steps of the grid that halve it


def value(*key: Any) -> float:
    """A number from 1 to 2 that belongs to this key alone."""
    return 1 + zlib.crc32(repr(key).encode()) / 2**32


def table(*key: Any) -> np.ndarray:
    """(learning rates, seeds)."""
    return np.array([[value(*key, i, seed) for seed in range(SEEDS)] for i in range(len(RATES))])


def validation(*key: Any) -> np.ndarray:
    """So deep that any seeds choose BEST."""
    away = np.abs(np.arange(len(RATES)) - BEST)
    return table(*key, "validation") * 4.0 ** away[:, None]


def distances(target: str, method: str, rank: int) -> np.ndarray:
    """They fall to the learning rate below BEST, and rise from there."""
    away = np.abs(np.arange(len(RATES)) - (BEST - 1)) / SLOWER[method] * 2
    bent = 1 + value(method, rank) / 4
    return (1 + table(target, method, rank, "MMD") / 20) * 2.0 ** (away**bent)[:, None]


def made(target: str, method: str, rank: int) -> Any:
    key = (target, method, rank)
    generated = method.startswith("OP-")
    return {
        "rates": RATES,
        "validation": validation(*key).tolist(),
        "test": {
            score: (distances(*key) if score == "MMD" else table(*key, score)).tolist()
            for score in SCORES
        },
        "best": BEST,
        "fixed": FIXED,
        "edge": "",
        "open": [],
        "equal": None if generated else table(*key, "equal")[0].tolist(),
        "shown": {"best": [[key]], "fixed": [["fixed", key]]},
        "parameters": value(*key, "parameters"),
        "alive": table(*key, "alive").tolist() if generated else None,
    }


def records(name: str, *quantities: str) -> list[dict[str, Any]]:
    return [{q: value(name, q, i) for q in quantities} for i in range(SEEDS)]


def world() -> Trials:
    anchored = [f"{images} {score}" for images in ("target", "seen", "base") for score in SCORES]
    return Trials(
        swept={
            (f"new {t}", method, rank): made(t, method, rank)
            for t in TARGETS
            for method in METHODS
            for rank in RANKS
        },
        anchors={
            f"new {t}": {
                "scores": records(t, *anchored, "ten times the shift"),
                "images": [[f"images of {t}"]],
            }
            for t in TARGETS
        },
        ends=records("ends", *ENDS),
        definition=[
            {
                "null": [
                    {"biased": value("biased", size, i), "unbiased": value("unbiased", size, i)}
                    for size in (50, 20)
                ],
                "diversity": {q: value(q, i) for q in ("CMMD", "MMD", "variance")},
            }
            for i in range(SEEDS)
        ],
    )
