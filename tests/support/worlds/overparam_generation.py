"""A made-up world for the evidence of the image-generation family: every trial has a value of its
own.

Validation is least at BEST for every method; the test's distances are least one learning rate
below, so that a choice by the test would be another one.
"""

import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from loralab.claims import Measured
from proxies.families.overparam_generation.evidence import evidence
from proxies.families.overparam_generation.trials.plan import Trials

SEEDS, BEST = 6, 6
RATES = [10 ** (i / 2) for i in range(-9, 1)]
FIXED, FAST, SLOW = 1, 5, 3  # where 1e-4, 1e-2 and 1e-3 are
METHODS, RANKS, TARGETS = ("LoRA", "OP-LoRA", "DoRA", "OP-DoRA"), (1, 2, 4), ("classes", "style")
SCORES = ("MMD", "MMD, unbiased", "CMMD", "CMMD, unbiased", "share")
ENDS = ("greatest", "not negative", "least beyond means", "most beyond means")
SLOWER = {"LoRA": 4, "DoRA": 4, "OP-LoRA": 3, "OP-DoRA": 3}  # steps of the grid that halve it
Exchange = Callable[[Trials], Trials]


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


def exchanged(first: Any, second: Any, part: int) -> Exchange:
    """Sweeps with two methods, ranks or targets in each other's place."""
    other = {first: second, second: first}

    def of(trials: Trials) -> Trials:
        place = lambda key: (*key[:part], other.get(key[part], key[part]), *key[part + 1 :])
        return trials._replace(swept={key: trials.swept[place(key)] for key in trials.swept})

    return of


def of_sweeps(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Exchange:
    return lambda trials: trials._replace(
        swept={key: {**sweep, **change({**sweep})} for key, sweep in trials.swept.items()}
    )


def rows(table: Any, i: int, j: int) -> Any:
    """A table with two learning rates in each other's place."""
    order = list(range(len(RATES)))
    order[i], order[j] = j, i
    return table and [table[k] for k in order]


def distances_of(sweep: Any, i: int, j: int) -> dict[str, Any]:
    return {"test": {**sweep["test"], "MMD": rows(sweep["test"]["MMD"], i, j)}}


def renamed(records: list[dict[str, Any]], first: str, second: str) -> list[dict[str, Any]]:
    return [{**one, first: one[second], second: one[first]} for one in records]


def anchors(first: str, second: str) -> Exchange:
    return lambda trials: trials._replace(
        anchors={
            target: {**one, "scores": renamed(one["scores"], first, second)}
            for target, one in trials.anchors.items()
        }
    )


EXCHANGES: dict[str, Exchange] = {
    "LoRA and OP-LoRA": exchanged("LoRA", "OP-LoRA", 1),
    "DoRA and OP-DoRA": exchanged("DoRA", "OP-DoRA", 1),
    "LoRA and DoRA": exchanged("LoRA", "DoRA", 1),
    "OP-LoRA and OP-DoRA": exchanged("OP-LoRA", "OP-DoRA", 1),
    "ranks 1 and 2": exchanged(1, 2, 2),
    "ranks 2 and 4": exchanged(2, 4, 2),
    "ranks 1 and 4": exchanged(1, 4, 2),
    "targets": exchanged("new classes", "new style", 0),
    "anchors of the targets": lambda t: t._replace(
        anchors=dict(zip(t.anchors, reversed(list(t.anchors.values())), strict=True))
    ),
    "validation and test": of_sweeps(
        lambda s: {"validation": s["test"]["MMD"], "test": {**s["test"], "MMD": s["validation"]}}
    ),
    "chosen on the test": of_sweeps(lambda s: {"validation": s["test"]["MMD"]}),
    "1e-4 and another learning rate": of_sweeps(lambda s: distances_of(s, FIXED, 0)),
    "1e-3 and another learning rate": of_sweeps(lambda s: distances_of(s, SLOW, 2)),
    "the best and another learning rate": of_sweeps(lambda s: distances_of(s, BEST, 7)),
    "1e-2 and another learning rate": of_sweeps(lambda s: {"alive": rows(s["alive"], FAST, 6)}),
    "1e-4 and the step of equal length": of_sweeps(
        lambda s: {"equal": s["equal"] and s["test"]["MMD"][FIXED]}
    ),
    "MMD and CMMD": of_sweeps(
        lambda s: {
            "test": {**s["test"], "MMD": s["test"]["CMMD"], "CMMD": s["test"]["MMD"]},
            "open": [],
        }
    ),
    "shares and CMMD": of_sweeps(
        lambda s: {"test": {**s["test"], "share": s["test"]["CMMD"], "CMMD": s["test"]["share"]}}
    ),
    "the base model and the target": anchors("base MMD", "target MMD"),
    "the base model's share and the seen digits'": anchors("base share", "seen share"),
    "biased and unbiased": lambda t: t._replace(
        definition=[
            {**one, "null": renamed(one["null"], "biased", "unbiased")} for one in t.definition
        ]
    ),
    "rises of MMD and CMMD": lambda t: t._replace(
        definition=[
            {**one, "diversity": renamed([one["diversity"]], "MMD", "CMMD")[0]}
            for one in t.definition
        ]
    ),
    "least and most beyond the means": lambda t: t._replace(
        ends=renamed(t.ends, "least beyond means", "most beyond means")
    ),
    "any vectors and those without a negative entry": lambda t: t._replace(
        ends=renamed(t.ends, "greatest", "not negative")
    ),
}
