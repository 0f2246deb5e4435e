"""Trials in which every value is another one, by what it belongs to: the square root of a number
without square factors, so that no two sums or ratios agree."""

import copy
import itertools
import math
from typing import Any

Trials = dict[str, Any]
EDGES = (("Gaussian", 8, 16), ("Gaussian", 4, 8), ("exponential", 8, 16), ("exponential", 32, 64))
KINDS = ("rectangular", "flat", "square", "bidiagonal")
TRAITS = ("accuracy", "equal", "bottom_rank", "slope", "root")
POOLS = ("clusters", "disjoint digits", "digits")
SOURCES = (
    *("LoRA 10", "LoRA 100", "gradient", "rotated"),
    *("another run", "another task", "LoRA 100, another task"),
)
SCORES, OVERLAPS, PARTS = ("rate", "abs"), ("8 in 16", "4 in 8", "8 in 8"), ("value", "null")
LORA = ("LoRA, r", "LoRA, 2r", "LoRA, r + s")
METHODS = (
    *LORA,
    "MiLoRA",
    *(f"Dash, {source}" for source in ("pre-launch", "gradient", "oracle", "random")),
    *(f"Init, {source}" for source in ("pre-launch", "random")),
    *(f"TSD, {source}" for source in ("pre-launch", "random")),
)
CASES = ("random", "bottom", "none", "grown", "clusters", "digits")
RECALLED = (
    *(("random", rank) for rank in (2, 8, 32)),
    *((case, 8) for case in ("top", "middle", "bottom")),
)
FOUND = tuple(
    f"{source}, {score}"
    for source in ("gradient", "LoRA 1", "LoRA 10", "LoRA 100")
    for score in SCORES
)


def _square_free() -> list[int]:
    return [n for n in range(2, 2000) if all(n % (k * k) for k in range(2, math.isqrt(n) + 1))]


NAMES = [
    *(("edge", *edge, part) for edge in EDGES for part in ("overlaps", "exact")),
    *(("weight", kind, trait) for kind in KINDS for trait in TRAITS),
    *(("MiniLM", square, trait) for square in (True, False) for trait in TRAITS),
    *(
        ("overlap", *of)
        for of in itertools.product(POOLS, SOURCES, SCORES, OVERLAPS, ("value", "null"))
    ),
    *(("phi", pool) for pool in POOLS),
    *(("snr", "measured"), ("snr", "predicted"), ("mean",)),
    *(("speed", rank, part) for rank in (4, 16) for part in ("ratio", "predicted")),
    *(("recall", case, rank, name) for case, rank in RECALLED for name in FOUND),
    *(("null", case, rank, score) for case, rank in RECALLED for score in SCORES),
    *(("error", case, method) for case in CASES for method in METHODS),
    *(("bound", case, method) for case in CASES for method in METHODS),
]
VALUES = {name: math.sqrt(n) / 100 for name, n in zip(NAMES, _square_free(), strict=False)}
assert len(VALUES) == len(NAMES)


def value(*name: Any) -> float:
    """The value of that name: between 0 and 1, and no other one's."""
    return VALUES[name]


def record(result: Any, **arguments: Any) -> dict[str, Any]:
    return {**arguments, "result": result}


def chance() -> Trials:
    traits = lambda *of: {trait: value(*of, trait) for trait in TRAITS}
    matrices = [
        {
            "square": square,
            **{trait: [x] * 3 for trait, x in traits("MiniLM", square).items()},
            "exact": {"accuracy": 0.5},
        }
        for square in (True, False)
        for _ in range(2)
    ]
    return {
        "edges": [
            record(
                {
                    "overlaps": [value("edge", law, s, m, "overlaps")] * 2,
                    "exact": value("edge", law, s, m, "exact"),
                },
                law=law,
                s=s,
                m=m,
            )
            for law, s, m in EDGES
        ],
        "drawn": [record(traits("weight", kind), kind=kind) for kind in KINDS for _ in range(2)],
        "transformer": [record(matrices)],
    }


def predictions() -> Trials:
    networks = []
    for pool in POOLS:
        overlaps = [
            {
                "source": source,
                "score": score,
                "sizes": sizes,
                **{part: value("overlap", pool, source, score, sizes, part) for part in PARTS},
            }
            for source, score, sizes in itertools.product(SOURCES, SCORES, OVERLAPS)
        ]
        found = {"overlaps": overlaps, "profiles": [{"phi": value("phi", pool)}]}
        networks += [record(copy.deepcopy(found), pool=pool) for _ in range(2)]
    return {"predicted": networks}


def first_steps() -> Trials:
    snr = {"snr": value("snr", "measured"), "predicted": value("snr", "predicted")}
    identified = [
        record({**snr, "gaussian": 0.5, "mean": value("mean")}, rank=rank, seed=seed)
        for rank in (2, 4, 16)
        for seed in (0, 1)
    ]
    speed = [
        record({part: value("speed", rank, part) for part in ("ratio", "predicted")}, rank=rank)
        for rank in (4, 16)
        for _ in range(2)
    ]
    return {"identified": identified, "speed": speed}


def recalls() -> Trials:
    return {
        "recall": [
            record(
                {
                    **{name: value("recall", case, rank, name) for name in FOUND},
                    "null": {score: value("null", case, rank, score) for score in SCORES},
                },
                case=case,
                rank=rank,
            )
            for case, rank in RECALLED
            for _ in range(2)
        ]
    }


def methods() -> Trials:
    return {
        "tuned": [
            record(
                {
                    "edge": False,
                    "error": [value("error", case, method)] * 2,
                    "bound": [value("bound", case, method)] * 2,
                    "ranks": [8, 8],
                    "rank": [4, 4],
                },
                case=case,
                method=method,
            )
            for case in CASES
            for method in METHODS
        ]
    }


def world() -> Trials:
    return {**chance(), **predictions(), **first_steps(), **recalls(), **methods()}
