"""From finished cells to the evidence of every check."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from loralab.claims import Measured
from loralab.statistics import geometric_mean, mean, spread
from proxies.families.overparam_generation.claims import METHODS, PAIRS, RANKS
from proxies.families.overparam_generation.trials import compare
from proxies.families.overparam_generation.trials.sweep import Cell

Key = tuple[str, str, int]  # target, method, rank
Measurements = dict[str, Sequence[Measured | None]]
Records = list[dict[str, Any]]
NEW, STYLE = "new classes", "new style"
SLOW = 1e-3  # a rate of LoRA below its best one, at which it has not yet arrived
FAST = 1e-2  # a rate of OP-LoRA above its best one
# seeds: with fewer, what depends on a chosen rate cannot be told from chance, and is not measured
ENOUGH = 6
CHOSEN = (compare.at_best, compare.widths, compare.highest)


def column(records: Records, name: str) -> list[float]:
    return [record[name] for record in records]


def exact(value: float) -> Measured:
    return Measured(value, value, value)


def definition(
    ends: Records, null: Records, diversity: Records, anchors: Mapping[str, Any], pairs: Records
) -> Measurements:
    """OP14, OP14b, OP14c."""
    limits = [
        spread(column(ends, name))
        for name in ("equal", "opposite", "least beyond means", "most beyond means")
    ]
    return {
        "OP14": [
            *limits,
            spread(column(anchors[NEW]["scores"], "ten times the shift")),
            *(spread(column(null, name)) for name in ("biased", "unbiased")),
        ],
        "OP14b": [geometric_mean([r["MMD"] / r["CMMD"] for r in diversity])],
        "OP14c": [
            *(spread(column(anchors[target]["scores"], "base CMMD")) for target in (NEW, STYLE)),
            exact(max(column(pairs, "CMMD"))),
        ],
    }


def comparisons(cells: Mapping[Key, Cell]) -> Measurements:
    """OP15 to OP15j; None for a check whose cells were not run or cannot be compared."""

    def of(
        quantity: Callable[..., Any], method: str, rank: int, *more: Any, target: str = NEW
    ) -> Any:
        cell = cells.get((target, method, rank))
        if cell is None or (quantity in CHOSEN and len(cell["validation"][0]) < ENOUGH):
            return None
        return quantity(cell, *more)

    def ratio(
        quantity: Callable[..., Any],
        first: tuple[str, int],
        second: tuple[str, int],
        target: str = NEW,
    ) -> Measured | None:
        return compare.ratio(*(of(quantity, *one, target=target) for one in (first, second)))

    def lag(rank: int) -> Measured | None:
        slow = cells.get((NEW, "LoRA", rank))
        found = None if slow is None else of(compare.lag, "OP-LoRA", rank, slow, SLOW)
        return None if found is None else mean(found.tolist())

    def paired(quantity: Callable[..., Any], target: str = NEW) -> list[Measured | None]:
        return [
            ratio(quantity, (over, rank), (plain, rank), target)
            for over, plain in PAIRS
            for rank in RANKS
        ]

    best, fixed = compare.at_best, compare.at_fixed
    return {
        "OP15": [
            *(compare.level(of(best, method, 1)) for method in METHODS),
            *(compare.level(of(best, method, 4, "share")) for method in METHODS),
        ],
        "OP15b": [*paired(fixed), ratio(fixed, ("OP-LoRA", 1), ("LoRA", 4))],
        "OP15c": paired(best),
        "OP15d": [
            compare.ratio(
                of(best, "OP-LoRA", 1), compare.middle(of(best, "LoRA", 1), of(best, "LoRA", 2))
            ),
            ratio(fixed, ("OP-LoRA", 1), ("LoRA", 2)),
            ratio(fixed, ("OP-LoRA", 2), ("LoRA", 4)),
        ],
        "OP15i": [
            ratio(best, (first, 2), (second, 4)) for first, second in (*PAIRS, ("LoRA", "LoRA"))
        ],
        "OP15e": [
            compare.difference(of(compare.widths, over, rank), of(compare.widths, plain, rank))
            for over, plain in PAIRS
            for rank in RANKS
        ],
        "OP15f": [
            *(lag(rank) for rank in RANKS),
            *(
                compare.difference(
                    of(compare.highest, "LoRA", rank), of(compare.highest, "OP-LoRA", rank)
                )
                for rank in RANKS
            ),
        ],
        "OP15g": [compare.level(of(compare.alive, "OP-LoRA", rank, FAST)) for rank in RANKS],
        "OP15h": paired(fixed, STYLE),
        "OP15j": paired(best, STYLE),
    }


def cost(counts: Mapping[str, Records], llama: int, shares: Sequence[float]) -> Measurements:
    """OP16, OP16b."""
    return {
        "OP16": [
            *(
                spread([r["trained"] - r["stated"] for r in counts[variant]])
                for variant in ("overparam", "op_dora")
            ),
            exact(llama - 1_851_435_008),
        ],
        "OP16b": [mean(shares) if shares else None],
    }
