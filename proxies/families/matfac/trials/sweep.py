"""One cell of the comparison: a method and an optimiser on a target, over learning rates and seeds
at once.

Rates lie on the grid 10^(i/3). The cell starts from 13 of them and adds three on a side for as long
as the best rate, or one at which some seed still ends at 1e-4, is the outermost; so neither the
optimum nor the width of the good window is an artefact of the grid. Where MOST rounds of this do
not settle it, `edge` and `open` say so.

The best rate has the least median final excess over seeds and, among those equal to rounding, the
fewest steps; a rate at which some seed diverges is never the best. It is chosen on the runs that
are reported, with no validation split: a full-batch run is deterministic and its objective is the
claim's own quantity, so there is nothing to generalise to but other seeds, and the interval over
seeds has those.
"""

from typing import Any, NamedTuple, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator

from proxies.families.matfac.trials.engine import train
from proxies.families.matfac.trials.methods import METHODS
from proxies.families.matfac.trials.optimizers import BY_LINEAR_ALGEBRA, OPTIMISERS
from proxies.families.matfac.trials.targets import reduced, target
from theory.matfac import generator_network as theory

# seed i draws its target from FIRST_SEED + i, its start from STARTS later
FIRST_SEED, STARTS = 1000, 10**6
# first and last exponent i of 10^(i/3)
GRID = {"SGD": (-9, 3), "momentum": (-12, 0), "Adam": (-12, 0)}
ADDED, MOST = 3, 6  # rates added to a side at a time, and how often
THRESHOLDS = {"1e-2": 1e-2, "1e-4": 1e-4, "1e-8": 1e-8}
GOOD = THRESHOLDS["1e-4"]
FLOOR = 1e-13  # an excess below is rounding, of either sign, and counts as this
POINTS = 80  # steps of a curve that are kept
BANDS = {"median": np.median, "low": np.min, "high": np.max}
Array = NDArray[np.float64]
Table = list[list[float | None]]  # (rates, seeds)


class Cell(TypedDict):
    """final: the last relative excess (f - f*) / (f_0 - f*), None where the run diverged; steps[x]:
    the first step at excess x or less, None where there is none; alive: the share of live hidden
    units at the end.

    best: index of the best rate, None where every rate diverged; edge: "low" or "high" where it is
    outermost; open: the sides ("low", "high") on which the outermost rate still ends at 1e-4 for
    some seed, so that the window is only bounded below. curve: excess against step at the best
    rate, median and range over seeds.
    """

    rates: list[float]
    final: Table
    steps: dict[str, Table]
    alive: Table | None
    best: int | None
    edge: str
    open: list[str]
    curve: dict[str, list[float | None]]


class Runs(NamedTuple):
    """excess (steps + 1, rates, seeds) and alive (rates, seeds), NaN where the run diverged."""

    rates: list[float]
    excess: Array
    alive: Array | None


def sweep(
    target: str,
    method: str,
    optimiser: str,
    rows: int,
    columns: int,
    rank: int,
    seeds: int,
    steps: int,
    rates: list[float],
) -> Cell:
    """Explicit `rates` are run as they are; with none, the grid is run and extended."""
    problem = target, method, optimiser, rows, columns, rank, seeds, steps
    if rates:
        return _cell(_run(*problem, sorted(rates)))
    low, high = GRID[optimiser]
    runs = _run(*problem, _rates(low, high))
    for _ in range(MOST):
        cell = _cell(runs)
        sides = {cell["edge"], *cell["open"]} - {""}
        if not sides:
            break
        if "low" in sides:
            runs = _joined(_run(*problem, _rates(low - ADDED, low - 1)), runs)
            low -= ADDED
        if "high" in sides:
            runs = _joined(runs, _run(*problem, _rates(high + 1, high + ADDED)))
            high += ADDED
    return _cell(runs)


def _rates(first: int, last: int) -> list[float]:
    return [10 ** (i / 3) for i in range(first, last + 1)]


def _run(
    name: str,
    method_name: str,
    optimiser: str,
    rows: int,
    columns: int,
    rank: int,
    seeds: int,
    steps: int,
    rates: list[float],
) -> Runs:
    method = METHODS[method_name]
    targets = [
        target(name, rows, columns, rank, FIRST_SEED + i)
        for i in range(1 if name == "digits" else seeds)
    ]
    best = np.array([theory.floor(M.numpy(), rank) for M in targets])
    begin = np.array([float(M.square().sum() / 2) for M in targets])
    if optimiser in BY_LINEAR_ALGEBRA:
        targets = [reduced(M) for M in targets]
    draws = [Generator().manual_seed(STARTS + FIRST_SEED + i) for i in range(seeds)]
    starts = [method.start(targets[i % len(targets)], rank, rng) for i, rng in enumerate(draws)]
    start = {
        k: torch.stack([s[k] for s in starts]).repeat(len(rates), *[1] * starts[0][k].ndim)
        for k in starts[0]
    }
    M = torch.stack(targets).repeat(len(rates), 1, 1) if len(targets) == seeds else targets[0]
    rate = torch.tensor(rates, dtype=torch.float64).repeat_interleave(seeds)
    losses, final = train(M, start, rank, method, OPTIMISERS[optimiser], rate, steps)
    shape = len(rates), seeds
    excess = np.maximum((losses.numpy().reshape(-1, *shape) - best) / (begin - best), FLOOR)
    alive = method.alive(final)
    return Runs(rates, excess, None if alive is None else alive.numpy().reshape(shape))


def _joined(first: Runs, second: Runs) -> Runs:
    alive = (
        None
        if first.alive is None or second.alive is None
        else np.concatenate([first.alive, second.alive])
    )
    return Runs(first.rates + second.rates, np.concatenate([first.excess, second.excess], 1), alive)


def _cell(runs: Runs) -> Cell:
    final, last = runs.excess[-1], len(runs.rates) - 1
    steps = {name: first_step(runs.excess, bar) for name, bar in THRESHOLDS.items()}
    best = best_rate(final, steps)
    shown = np.unique(np.geomspace(1, len(runs.excess), POINTS).round().astype(int)) - 1
    curve = {"step": shown.tolist()}
    if best is not None:
        curve |= {name: listed(band(runs.excess[shown, best], 1)) for name, band in BANDS.items()}
    return {
        "rates": runs.rates,
        "final": listed(final),
        "steps": {name: listed(table) for name, table in steps.items()},
        "alive": None
        if runs.alive is None
        else listed(np.where(np.isnan(final), np.nan, runs.alive)),
        "best": best,
        "edge": {0: "low", last: "high"}.get(best, "") if best is not None else "",
        "open": [side for side, at in (("low", 0), ("high", last)) if (final[at] <= GOOD).any()],
        "curve": curve,
    }


def first_step(excess: Array, bar: float) -> Array:
    """The first step at `bar` or below, for excess (steps + 1, ...); NaN where there is none."""
    hit = excess <= bar
    return np.where(hit.any(0), hit.argmax(0), np.nan)


def best_rate(final: Array, steps: dict[str, Array]) -> int | None:
    """Index of the rate with the least median final excess, then the fewest steps to the hardest
    threshold."""
    usable = np.where(np.isnan(final).any(1), np.inf, np.median(final, 1))
    best = int(np.lexsort([*(median_steps(steps[name]) for name in THRESHOLDS), usable])[0])
    return best if np.isfinite(usable[best]) else None


def median_steps(table: Array) -> Array:
    """Over seeds, a run that never got there counting as infinite."""
    return np.median(np.where(np.isnan(table), np.inf, table), 1)


def listed(values: Array) -> Any:
    """Nested lists, None for NaN: a diverged run is never a number."""
    found = values.astype(object)
    found[np.isnan(values)] = None
    return found.tolist()
