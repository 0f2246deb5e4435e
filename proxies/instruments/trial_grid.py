"""A grid of trials: the product of some axes, mapped over a memo, and picked from by its axes.

records = trials(memo, laws.captured_variance, width=[256], decay=[0.5, 1.0], seed=seeds)
pick(records, "deficit", decay=0.5)
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from loralab.memo import Memo

Records = list[dict[str, Any]]


def product(**axes: Sequence[Any]) -> Records:
    """Every point of the axes, the last axis fastest."""
    return [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]


def trials(
    memo: Memo,
    trial: Callable[..., Any],
    points: Iterable[dict[str, Any]] | None = None,
    **axes: Sequence[Any],
) -> Records:
    """Run a trial at every point of a grid.

    Args:
        memo: keeps the results.
        trial: a pure function of JSON-like keyword arguments.
        points: its arguments, by default the product of the axes.
        axes: the values of each argument.

    Returns: a record for each point: its arguments, and under "result" what the trial gave.
    """
    chosen = product(**axes) if points is None else list(points)
    results = memo.map(trial, chosen)
    return [{**point, "result": result} for point, result in zip(chosen, results, strict=True)]


def pick(records: Records, name: str, **where: Any) -> list[Any]:
    """One entry of the result of each record that matches, in the order of the records."""
    return [
        record["result"][name]
        for record in records
        if all(record[key] == value for key, value in where.items())
    ]
