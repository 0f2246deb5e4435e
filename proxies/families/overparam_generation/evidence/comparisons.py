"""OP15 to OP15m; None for a check whose sweeps were not run or cannot be compared."""

from typing import Literal

import numpy as np

from loralab.claims import Measured
from loralab.statistics import Tuned
from proxies.families.overparam_generation.claims.cases import (
    BY_A_FIFTH,
    HALVED,
    METHODS,
    NEW,
    PAIRED,
    PAIRS,
    RANKS,
    STYLE,
    WITHIN_A_FIFTH,
)
from proxies.families.overparam_generation.evidence import paired
from proxies.families.overparam_generation.evidence.paired import Array, compared, level, ratio
from proxies.families.overparam_generation.trials.plan import Trials
from proxies.families.overparam_generation.trials.sweep import Sweep

SLOW = 1e-3  # a learning rate of LoRA below its best one, at which it has not yet arrived
FAST = 1e-2  # a learning rate of OP-LoRA above its best one
Measurements = dict[str, Measured | None]


def comparisons(trials: Trials) -> dict[str, Measurements]:
    """By claim and key."""

    def sweep(method: str, rank: int, target: str = NEW) -> Sweep | None:
        return trials.swept.get((target, method, rank))

    def best(method: str, rank: int, target: str = NEW) -> Tuned | None:
        return paired.scored(sweep(method, rank, target))

    def fixed(method: str, rank: int, target: str = NEW) -> Array | None:
        return paired.at_fixed(sweep(method, rank, target))

    def over_base(method: str, score: str, by: Literal["difference", "ratio"]) -> Measured | None:
        before = np.array([one[f"base {score}"] for one in trials.anchors[NEW]["scores"]])
        return compared(paired.scored(sweep(method, 1), score), paired.untuned(before), by)

    def at_one_rate(target: str) -> Measurements:
        return {
            key: ratio(fixed(over, rank, target), fixed(plain, rank, target))
            for key, (over, plain, rank) in PAIRED.items()
        }

    def at_equal_steps(target: str) -> Measurements:
        return {
            key: ratio(fixed(over, rank, target), paired.at_equal(sweep(plain, rank, target)))
            for key, (over, plain, rank) in PAIRED.items()
        }

    def better(target: str) -> Measurements:
        found = {
            key: compared(best(over, rank, target), best(plain, rank, target), "ratio")
            for key, (over, plain, rank) in PAIRED.items()
        }
        return found | {key + BY_A_FIFTH: measured for key, measured in found.items()}

    def half(method: str, other: str, rank: int) -> Measured | None:
        return compared(best(method, rank), best(other, 2 * rank), "ratio")

    return {
        "OP15": {
            **{f"{method}, distance": over_base(method, "MMD", "ratio") for method in METHODS},
            **{f"{method}, share": over_base(method, "share", "difference") for method in METHODS},
        },
        "OP15b": {
            **at_one_rate(NEW),
            "rank 1 over rank 4": ratio(fixed("OP-LoRA", 1), fixed("LoRA", 4)),
        },
        "OP15c": better(NEW),
        "OP15d": {
            key + more: half(over, plain, rank)
            for key, (over, plain, rank) in HALVED.items()
            for more in ("", WITHIN_A_FIFTH)
        },
        "OP15i": {plain: half(plain, plain, 2) for _, plain in PAIRS},
        "OP15e": {
            key: compared(
                paired.widths(sweep(over, rank)), paired.widths(sweep(plain, rank)), "difference"
            )
            for key, (over, plain, rank) in PAIRED.items()
        },
        "OP15f": {
            f"rank {rank}": level(paired.lag(sweep("OP-LoRA", rank), sweep("LoRA", rank), SLOW))
            for rank in RANKS
        },
        "OP15g": {
            f"rank {rank}": level(paired.alive(sweep("OP-LoRA", rank), FAST)) for rank in RANKS
        },
        "OP15l": {
            f"rank {rank}": compared(
                paired.highest(sweep("LoRA", rank)),
                paired.highest(sweep("OP-LoRA", rank)),
                "difference",
            )
            for rank in RANKS
        },
        "OP15h": at_one_rate(STYLE),
        "OP15j": better(STYLE),
        "OP15k": at_equal_steps(NEW),
        "OP15m": at_equal_steps(STYLE),
    }
