"""Every cell at every width for every seed, a few seeds together where the width is small, the
dearest cells first."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

from loralab.memo import Memo

# width times the number of seeds that share a cell, unless the width alone is above it
TOGETHER = 2**13
K = TypeVar("K", bound=Hashable)


def for_seeds(
    memo: Memo, cell: Callable[..., list[Any]], wanted: Mapping[K, dict[str, Any]], seeds: list[int]
) -> dict[K, list[Any]]:
    """The cell's result, one entry a seed, for each of the wanted arguments, which name a width."""
    parts = [
        (key, {**arguments, "seeds": seeds[i : i + some]})
        for key, arguments in sorted(wanted.items(), key=lambda item: -item[1]["width"])
        for some in [max(1, TOGETHER // arguments["width"])]
        for i in range(0, len(seeds), some)
    ]
    found: dict[K, list[Any]] = {key: [] for key in wanted}
    for (key, _), result in zip(
        parts, memo.map(cell, [arguments for _, arguments in parts]), strict=True
    ):
        found[key] += result
    return found
