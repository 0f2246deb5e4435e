"""A method and an optimizer on a target, over learning rates and seeds at once.

Learning rates lie on the grid 10^(i/n), n of them a decade. A sweep begins with four decades and
adds one on a side for as long as the best learning rate, or one at which some seed still ends at
1e-4, is the outermost; so neither the optimum nor the width of the good window is an artefact of
the grid's ends. Where the last round does not settle it, `edge` and `open` say so. A width is a
multiple of 1/n decade on every seed: n is the resolution, and is said where a width is judged.

The best learning rate of the tables has the least median final excess over seeds and, among those
equal to rounding, the fewest steps; one at which some seed diverges is never the best. A claim that
compares methods at their best learning rates repeats the choice in its interval (`evidence.tuned`).
"""

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator

from loralab.numbers import listed
from proxies.families.matfac.trials.engine import Trajectory, train
from proxies.families.matfac.trials.methods import METHODS, Params
from proxies.families.matfac.trials.optimizers import BY_LINEAR_ALGEBRA, OPTIMIZERS
from proxies.families.matfac.trials.targets import reduced, target
from proxies.instruments.learning_rates import Grid, search
from theory.matfac import generator_network as theory

INITIAL = 10**6  # seed s draws its target from s, its initialization from INITIAL + s
DECADES = {"SGD": (-3, 1), "momentum": (-4, 0), "Adam": (-4, 0)}
ROUNDS = 6  # times that a decade may be added
THRESHOLDS = {"1e-2": 1e-2, "1e-4": 1e-4, "1e-8": 1e-8}
GOOD = THRESHOLDS["1e-4"]
FLOOR = 1e-13  # an excess below is rounding, of either sign, and counts as this
POINTS = 80  # steps of a curve that are kept
BANDS = {"median": np.median, "low": np.min, "high": np.max}
Array = NDArray[np.float64]
Table = list[list[float | None]]  # (learning rates, seeds)


class Sweep(TypedDict):
    """What a sweep gave.

    per_decade: how many learning rates lie in a decade of the grid; last: how many steps a run has.

    final: the last relative excess (f - f*) / (f_0 - f*), None where the run diverged; steps[x]:
    the first step at excess x or less, None where there is none; alive: the share of live hidden
    units at the end.

    best: index of the best learning rate, None where all diverged; edge: "low" or "high" where it
    is outermost; open: the sides ("low", "high") on which the outermost one still ends at 1e-4 for
    some seed, so that the window is only bounded below. curve: excess against step at the best
    learning rate, median and range over seeds.
    """

    rates: list[float]
    per_decade: int
    last: int
    final: Table
    steps: dict[str, Table]
    alive: Table | None
    best: int | None
    edge: str
    open: list[str]
    curve: dict[str, list[float | None]]


class Runs(NamedTuple):
    """All seeds at one learning rate: excess (steps + 1, seeds) and alive (seeds), NaN where the
    run diverged."""

    excess: Array
    alive: Array | None

    @property
    def final(self) -> Array:
        return self.excess[-1]

    def steps(self, threshold: str) -> Array:
        return first_step(self.excess, THRESHOLDS[threshold])


class Problem:
    """The targets and the initial parameters of all seeds.

    Args:
        name: of the target.
        method: by its name.
        optimizer: by its name.
        sizes: rows, columns and rank.
        seeds: of the problems.
    """

    def __init__(
        self,
        name: str,
        method: str,
        optimizer: str,
        sizes: tuple[int, int, int],
        seeds: Sequence[int],
    ) -> None:
        rank = sizes[2]
        self.method, self.rule, self.rank = METHODS[method], OPTIMIZERS[optimizer], rank
        targets = [
            target(name, *sizes, seed) for seed in (seeds[:1] if name == "digits" else seeds)
        ]
        self.floor = np.array([theory.floor(M.numpy(), rank) for M in targets])
        self.begin = np.array([float(M.square().sum() / 2) for M in targets])
        if optimizer in BY_LINEAR_ALGEBRA:
            targets = [reduced(M) for M in targets]
        draws = [Generator().manual_seed(INITIAL + seed) for seed in seeds]
        self.initial = [
            self.method.initialize(targets[i % len(targets)], rank, rng)
            for i, rng in enumerate(draws)
        ]
        self.targets = targets

    def stacked(self) -> Params:
        """The initial parameters, a run for each seed."""
        return {
            name: torch.stack([draw[name] for draw in self.initial]) for name in self.initial[0]
        }

    def run(
        self, rates: Sequence[float], steps: int, factors: Sequence[float] | None = None
    ) -> list[Runs]:
        """One batch for all learning rates and seeds; `factors`, one a seed, multiply the learning
        rate."""
        losses, final = self.train(rates, steps, factors)
        shape = len(rates), len(self.initial)
        excess = losses.numpy().reshape(-1, *shape) - self.floor
        excess = np.maximum(excess / (self.begin - self.floor), FLOOR)
        alive = self.method.alive(final)
        living = [None] * len(rates) if alive is None else alive.numpy().reshape(shape)
        return [Runs(excess[:, i], living[i]) for i in range(len(rates))]

    def train(
        self, rates: Sequence[float], steps: int, factors: Sequence[float] | None = None
    ) -> Trajectory:
        """The losses and the last parameters, the runs of the first learning rate first."""
        seeds = len(self.initial)
        initial = {
            name: value.repeat(len(rates), *[1] * (value.ndim - 1))
            for name, value in self.stacked().items()
        }
        shared = len(self.targets) < seeds
        M = self.targets[0] if shared else torch.stack(self.targets).repeat(len(rates), 1, 1)
        rate = torch.outer(
            torch.tensor(rates, dtype=torch.float64),
            torch.tensor(factors or [1.0] * seeds, dtype=torch.float64),
        )
        return train(M, initial, self.rank, self.method, self.rule, rate.flatten(), steps)


def sweep(
    target: str,
    method: str,
    optimizer: str,
    rows: int,
    columns: int,
    rank: int,
    seeds: int,
    steps: int,
    rates: list[float],
    per_decade: int,
    block: int,
) -> Sweep:
    """Explicit `rates` are run as they are; with none, the grid is run and extended.

    Args:
        target: its name, see `targets.target`.
        method: its name in `methods.METHODS`.
        optimizer: its name in `optimizers.OPTIMIZERS`.
        rows: of the target.
        columns: of the target.
        rank: of B A.
        seeds: how many problems, paired over methods.
        steps: full-batch steps of every run.
        rates: learning rates instead of the grid.
        per_decade: learning rates in a decade of the grid.
        block: the first seed.
    """
    problem = Problem(target, method, optimizer, (rows, columns, rank), range(block, block + seeds))
    grid = Grid(0, len(rates) - 1, rounds=0) if rates else grid_of(optimizer, per_decade)
    rate = sorted(rates).__getitem__ if rates else grid.learning_rate
    found = search(
        lambda exponents: problem.run([rate(i) for i in exponents], steps),
        grid,
        criterion,
        good=lambda runs, _: bool((runs.final <= GOOD).any()),
    )
    runs, best = list(found.results.values()), found.best[0]
    shown = np.unique(np.geomspace(1, steps + 1, POINTS).round().astype(int)) - 1
    curve = {"step": shown.tolist()}
    if best is not None:
        excess = found.results[best].excess[shown]
        curve |= {name: listed(band(excess, 1)) for name, band in BANDS.items()}
    alive = [
        listed(np.where(np.isnan(run.final), np.nan, run.alive))
        for run in runs
        if run.alive is not None
    ]
    return {
        "rates": [rate(i) for i in found.results],
        "per_decade": per_decade,
        "last": steps,
        "final": [listed(run.final) for run in runs],
        "steps": {name: [listed(run.steps(name)) for run in runs] for name in THRESHOLDS},
        "alive": alive or None,
        "best": None if best is None else list(found.results).index(best),
        "edge": found.edge,
        "open": list(found.open),
        "curve": curve,
    }


def grid_of(optimizer: str, per_decade: int) -> Grid:
    first, last = (per_decade * end for end in DECADES[optimizer])
    return Grid(first, last, per_decade, added=per_decade, rounds=ROUNDS)


def first_step(excess: Array, bar: float) -> Array:
    """The first step at `bar` or below, for excess (steps + 1, ...); NaN where there is none."""
    hit = excess <= bar
    return np.where(hit.any(0), hit.argmax(0), np.nan)


def criterion(runs: Runs) -> tuple[float, ...]:
    """The median final excess, infinite where a seed diverged, then the median steps to each
    threshold, the hardest first."""
    final = np.inf if np.isnan(runs.final).any() else float(np.median(runs.final))
    return final, *(float(median_steps(runs.steps(name))) for name in reversed(THRESHOLDS))


def median_steps(table: Array) -> Array:
    """Over seeds, the last axis, a run that never got there counting as infinite."""
    return np.median(np.where(np.isnan(table), np.inf, table), -1)
