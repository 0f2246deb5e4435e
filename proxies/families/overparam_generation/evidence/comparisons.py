"""OP15 to OP15j; None for a check whose sweeps were not run or cannot be compared."""

from collections.abc import Callable, Mapping
from typing import Any

from loralab.claims import Measured
from proxies.families.overparam_generation.claims.cases import METHODS, PAIRED, PAIRS, RANKS
from proxies.families.overparam_generation.evidence import paired
from proxies.families.overparam_generation.evidence.paired import Array, difference, level, ratio
from proxies.families.overparam_generation.trials.plan import NEW, STYLE, Key
from proxies.families.overparam_generation.trials.sweep import Sweep

SLOW = 1e-3  # a learning rate of LoRA below its best one, at which it has not yet arrived
FAST = 1e-2  # a learning rate of OP-LoRA above its best one
# seeds: with fewer, what depends on a chosen learning rate cannot be told from chance, and is not
# measured
ENOUGH = 6
Quantity = Callable[..., Array | None]


def comparisons(swept: Mapping[Key, Sweep]) -> dict[str, dict[str, Measured | None]]:
    """By claim and key."""

    def chosen(
        quantity: Quantity, method: str, rank: int, *more: Any, target: str = NEW
    ) -> Array | None:
        """A quantity that depends on the learning rate that validation chose."""
        sweep = swept.get((target, method, rank))
        enough = sweep is not None and len(sweep["validation"][0]) >= ENOUGH
        return quantity(sweep, *more) if enough else None

    def best(method: str, rank: int, target: str = NEW, score: str = "MMD") -> Array | None:
        return chosen(paired.at_best, method, rank, score, target=target)

    def fixed(method: str, rank: int, target: str = NEW) -> Array | None:
        sweep = swept.get((target, method, rank))
        return paired.at_fixed(sweep) if sweep else None

    def width(method: str, rank: int) -> Array | None:
        return chosen(paired.widths, method, rank)

    def highest(method: str, rank: int) -> Array | None:
        return chosen(paired.highest, method, rank)

    def lag(rank: int) -> Measured | None:
        first, second = (swept.get((NEW, method, rank)) for method in ("OP-LoRA", "LoRA"))
        return level(paired.lag(first, second, SLOW))

    def alive(rank: int) -> Measured | None:
        sweep = swept.get((NEW, "OP-LoRA", rank))
        return level(paired.alive(sweep, FAST) if sweep else None)

    def ratios(
        distance: Callable[[str, int, str], Array | None], target: str = NEW
    ) -> dict[str, Measured | None]:
        return {
            key: ratio(distance(over, rank, target), distance(plain, rank, target))
            for key, (over, plain, rank) in PAIRED.items()
        }

    return {
        "OP15": {
            **{f"{method}, distance": level(best(method, 1)) for method in METHODS},
            **{f"{method}, share": level(best(method, 4, score="share")) for method in METHODS},
        },
        "OP15b": {
            **ratios(fixed),
            "rank 1 over rank 4": ratio(fixed("OP-LoRA", 1), fixed("LoRA", 4)),
        },
        "OP15c": ratios(best),
        "OP15d": {
            "tuned, rank 1": ratio(
                best("OP-LoRA", 1), paired.middle(best("LoRA", 1), best("LoRA", 2))
            ),
            "1e-4, rank 1": ratio(fixed("OP-LoRA", 1), fixed("LoRA", 2)),
            "1e-4, rank 2": ratio(fixed("OP-LoRA", 2), fixed("LoRA", 4)),
        },
        "OP15i": {
            first: ratio(best(first, 2), best(second, 4))
            for first, second in (*PAIRS, ("LoRA", "LoRA"))
        },
        "OP15e": {
            key: difference(width(over, rank), width(plain, rank))
            for key, (over, plain, rank) in PAIRED.items()
        },
        "OP15f": {
            **{f"lag, rank {rank}": lag(rank) for rank in RANKS},
            **{
                f"highest, rank {rank}": difference(highest("LoRA", rank), highest("OP-LoRA", rank))
                for rank in RANKS
            },
        },
        "OP15g": {f"rank {rank}": alive(rank) for rank in RANKS},
        "OP15h": ratios(fixed, STYLE),
        "OP15j": ratios(best, STYLE),
    }
