"""Which cells of a grid to run, round by round: the grid, then what its first results ask for.

First every method at each of its rates with every seed. Then, as often as `widen` says, one more
rate for each method whose best is at the edge of its rates, so that in the end it lies inside.
Last, with fresh seeds, each method at its best rate alone.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loralab.code import fingerprint
from loralab.memo import Memo
from scaling.comparison import trials
from scaling.comparison.grid import Grid, Method, next_rate
from scaling.comparison.summary import Outcomes, at_edge, chosen, shared_seeds
from scaling.core.config import Config

Run = Callable[[Sequence[Config]], Sequence[dict[str, Any]]]
Cell = tuple[str, float, int]  # method, learning rate, seed


def outcomes_of(methods: Mapping[str, Method], grid: Grid, memo: Memo) -> Outcomes:
    """`swept` by cells that every sweep on the memo's store shares; the methods are all of one
    task."""
    with memo.store.lock(trials.FAMILY):
        return swept(methods, grid, lambda some: beside(trials.fine_tuned, some, memo))


def beside(cell: Callable[..., Any], configs: Sequence[Config], memo: Memo) -> list[Any]:
    """What a cell of these configs' arguments gives, kept with those of the sweeps; the configs are
    all of one task."""
    if not configs:
        return []
    own = "" if cell is trials.fine_tuned else fingerprint(Path(inspect.getfile(cell)))
    kept = Memo(
        memo.store, trials.FAMILY, own + trials.code(configs[0].data.task), memo.force, memo.compute
    )
    return kept.map(cell, map(trials.arguments, configs))


def swept(methods: Mapping[str, Method], grid: Grid, run: Run) -> Outcomes:
    """The outcome of every cell, each run once; `run` gives those of several, in order."""
    found: dict[str, dict[float, dict[int, Any]]] = {label: {} for label in methods}

    def go(cells: Sequence[Cell]) -> None:
        outcomes = run([methods[label].at(rate, seed) for label, rate, seed in cells])
        for (label, rate, seed), outcome in zip(cells, outcomes, strict=True):
            found[label].setdefault(rate, {})[seed] = outcome

    go(
        [
            (label, rate, seed)
            for seed in grid.seeds
            for label, method in methods.items()
            for rate in method.rates
        ]
    )
    for _ in range(grid.widen):
        more = {
            label: rate for label, rates in found.items() if (rate := beyond(rates)) is not None
        }
        if not more:
            break
        go([(label, rate, seed) for seed in grid.seeds for label, rate in more.items()])
    best = {label: chosen(rates, shared_seeds(rates)) for label, rates in found.items()}
    fresh = range(max(grid.seeds) + 1, max(grid.seeds) + 1 + grid.confirm)
    go([(label, rate, seed) for seed in fresh for label, rate in best.items() if rate is not None])
    for runs in (runs for rates in found.values() for runs in rates.values()):
        tests = {outcome.pop("test_data") for outcome in runs.values() if "test_data" in outcome}
        for outcome in runs.values():
            outcome["same_test"] = len(tests) == 1
    return found


def beyond(rates: Mapping[float, Any]) -> float | None:
    """The next rate to try of a method: beyond its best where that is at an edge, below them all
    where a run diverged at each; None where the best lies inside."""
    best = chosen(rates, shared_seeds(rates))
    if best is None:
        best = min(rates)
    elif at_edge(rates, best) is None:
        return None
    return next_rate(tuple(rates), best)
