"""Which trials of a grid to run, round by round: the grid, then what its first results ask for.

First every method at each of its learning rates with every seed. Then, as often as `widen` says,
one more learning rate for each method whose best is at the edge of those tried, so that in the end
it lies inside. Last, with unseen seeds, each method at its best learning rate alone.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loralab.code import fingerprint
from loralab.memo import Memo
from loralab.progress import say
from scaling.comparison import own, trials
from scaling.comparison.axes import Grid
from scaling.comparison.grid import Method, next_rate
from scaling.comparison.own import Carried
from scaling.comparison.summary import Outcomes, at_edge, chosen, shared_seeds
from scaling.core.config import Config

RunAll = Callable[[Sequence[Config]], Sequence[dict[str, Any]]]
Trial = tuple[str, float, int]  # method, learning rate, seed


def outcomes_of(methods: Mapping[str, Method], grid: Grid, memo: Memo) -> Outcomes:
    """`swept` by trials that every sweep on the memo's store shares; the methods are all of one
    task.

    Args:
        methods: what is compared, by label.
        grid: the seeds, and how far the learning rates may be extended.
        memo: keeps the outcomes.
    """
    with memo.store.lock(trials.FAMILY):
        return swept(methods, grid, lambda configs: mapped(trials.fine_tuned, configs, memo))


def mapped(trial: Callable[..., Any], configs: Sequence[Config], memo: Memo) -> list[Any]:
    """The result of a trial for each config, kept with those of the sweeps.

    Args:
        trial: a function of the arguments that `trials.arguments` makes of a config.
        configs: all of one task.
        memo: keeps the results.
    """
    found: dict[int, Any] = {}
    each = [trials.arguments(config) for config in configs]
    for code in dict.fromkeys(trials.code(one["settings"]) for one in each):
        alike = {i: one for i, one in enumerate(each) if trials.code(one["settings"]) == code}
        settings = next(iter(alike.values()))["settings"]
        kept = memo_of(trial, settings, memo)
        given = Carried(trial, own.rows(settings))
        found |= zip(alike, kept.map(given, alike.values(), "trials"), strict=True)
    return [found[i] for i in range(len(each))]


def memo_of(trial: Callable[..., Any], settings: Mapping[str, Any], memo: Memo) -> Memo:
    """A memo of the same store that knows all code which a trial with these settings runs."""
    besides = "" if trial is trials.fine_tuned else fingerprint(Path(inspect.getfile(trial)))
    code = besides + trials.code(settings)
    return Memo(memo.store, trials.FAMILY, code, memo.force, memo.compute, memo.used, memo.at_once)


def swept(methods: Mapping[str, Method], grid: Grid, run_all: RunAll) -> Outcomes:
    """The outcome of every trial, each run once. A learning rate that is added is said on standard
    error.

    Args:
        methods: what is compared, by label.
        grid: the seeds, and how far the learning rates may be extended.
        run_all: gives the outcomes of several runs, in order.
    """
    found: dict[str, dict[float, dict[int, Any]]] = {label: {} for label in methods}

    def add(batch: Sequence[Trial]) -> None:
        outcomes = run_all([methods[label].at(rate, seed) for label, rate, seed in batch])
        for (label, rate, seed), outcome in zip(batch, outcomes, strict=True):
            found[label].setdefault(rate, {})[seed] = outcome

    # the learning rates of a method one after the other, so that the first has its initialization
    # made for the others
    most = max((len(method.rates) for method in methods.values()), default=0)
    add(
        [
            (label, method.rates[k], seed)
            for seed in grid.seeds
            for k in range(most)
            for label, method in methods.items()
            if k < len(method.rates)
        ]
    )
    for _ in range(grid.widen):
        more = {label: next_one for label, rates in found.items() if (next_one := beyond(rates))}
        if not more:
            break
        for label, (rate, why) in more.items():
            say(f"{label}: {rate:g} added, as {why}")
        add([(label, rate, seed) for seed in grid.seeds for label, (rate, _) in more.items()])
    best = {label: chosen(rates, shared_seeds(rates)) for label, rates in found.items()}
    unseen = range(max(grid.seeds) + 1, max(grid.seeds) + 1 + grid.confirm)
    add(
        [(label, rate, seed) for seed in unseen for label, rate in best.items() if rate is not None]
    )
    for runs in (runs for rates in found.values() for runs in rates.values()):
        tests = {outcome.pop("test_data") for outcome in runs.values() if "test_data" in outcome}
        for outcome in runs.values():
            outcome["same_test"] = len(tests) == 1
    return found


def beyond(rates: Mapping[float, Any]) -> tuple[float, str] | None:
    """The next learning rate to try of a method, and why: beyond its best where that is at an edge,
    below them all where a run diverged at each, None where the best lies inside."""
    best = chosen(rates, shared_seeds(rates))
    if best is None:
        return next_rate(tuple(rates), min(rates)), "a run diverged at each one tried"
    if (edge := at_edge(rates, best)) is None:
        return None
    return next_rate(tuple(rates), best), f"the best, {best:g}, is the {edge} one tried"
