"""One cell of the comparison: a method at a rank on a target, over learning rates and seeds at
once.

Rates lie on the grid 10^(i/2). The cell starts from nine of them and adds two on a side for as long
as the best rate is outermost there, or the outermost rate is still good for some seed; so neither
the optimum nor the width of the good window is an artefact of the grid. Where MOST rounds do not
settle it, `edge` and `open` say so.

The best rate has the least mean distance over seeds between the validation images and images drawn
from one set of noises; what is reported are distances between the test images and images drawn from
others.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from proxies.families.overparam_generation.trials import adapters
from proxies.families.overparam_generation.trials.scores import (
    NOISE,
    SHOWN,
    Problem,
    draw,
    noise,
    pixels,
    scores,
)
from proxies.families.overparam_generation.trials.training import Plan, train

GRID = {"LoRA": (-8, 0), "OP-LoRA": (-9, -1), "DoRA": (-8, 0), "OP-DoRA": (-9, -1)}
"""first and last exponent i of 10^(i/2)"""
SPACING = 0.5  # decades between neighbours
FIXED = -8  # the exponent of 1e-4, a rate that is often used untuned
ADDED, MOST = 2, 3  # rates added to a side at a time, and how often
# a rate is good for a seed where its distance is at most this times the one at the best rate
FACTOR = 1.5
MAIN = "MMD"
Array = NDArray[np.float64]
Table = list[list[float | None]]  # (rates, seeds)


class Cell(TypedDict):
    """validation: the MMD that chooses the rate; test: each score, see `measures`; None where a run
    diverged.

    best: index of the best rate, None where some seed diverged at every one; fixed: that of the
    rate 1e-4; edge: "low" or "high" where the best is outermost; open: the sides on which the
    outermost rate is good for some seed. `shown`: images (SHOWN, 64) of the first seed at the best
    rate and at the fixed one, as `pixels` has them. `parameters`: trained numbers of a run; alive:
    the share of live hidden units at the end, None without a generator.
    """

    rates: list[float]
    validation: Table
    test: dict[str, Table]
    best: int | None
    fixed: int
    edge: str
    open: list[str]
    shown: dict[str, list[list[int]]]
    parameters: int
    alive: Table | None


class Runs(NamedTuple):
    """validation (rates, seeds) and test scores of the same shape, NaN where a run diverged; images
    of each rate."""

    exponents: list[int]
    validation: Array
    test: dict[str, Array]
    images: list[list[list[int]]]
    parameters: int
    alive: Array | None


def swept(problem: Problem, method: str, rank: int, plan: Plan) -> Cell:
    low, high = GRID[method]
    runs = run(problem, method, rank, range(low, high + 1), plan)
    for _ in range(MOST):
        cell = _cell(runs)
        sides = {cell["edge"], *cell["open"]}
        if "low" in sides:
            runs = _joined(run(problem, method, rank, range(low - ADDED, low), plan), runs)
            low -= ADDED
        if "high" in sides:
            runs = _joined(
                runs, run(problem, method, rank, range(high + 1, high + ADDED + 1), plan)
            )
            high += ADDED
        if not sides & {"low", "high"}:
            break
    return _cell(runs)


def run(problem: Problem, method: str, rank: int, exponents: Sequence[int], plan: Plan) -> Runs:
    rates = [10 ** (SPACING * i) for i in exponents]
    start = adapters.start(problem.base, method, rank, problem.seeds, len(rates))
    data = [split.train for split in problem.splits]
    parameters = train(problem.base, start, data, problem.seeds, rates, plan)[0]
    found = {part: draw(problem.base, parameters, noise(problem.seeds, part)) for part in NOISE}
    judged = {
        part: [
            [
                scores(images, getattr(split, part), problem)
                for images, split in zip(row, problem.splits, strict=True)
            ]
            for row in drawn
        ]
        for part, drawn in found.items()
    }
    table = lambda part, name: np.array([[one[name] for one in row] for row in judged[part]])
    return Runs(
        list(exponents),
        table("validation", MAIN),
        {name: table("test", name) for name in judged["test"][0][0]},
        [pixels(images[0, :SHOWN]) for images in found["test"]],
        sum(p[0, 0].numel() for P in start for p in P.values()),
        None if (alive := adapters.alive(parameters)) is None else alive.numpy(),
    )


def best_rate(validation: Array) -> int | None:
    """Index of the least mean over seeds, among rates at which no seed diverged."""
    means = np.where(np.isnan(validation).any(1), np.inf, validation.mean(1))
    return int(means.argmin()) if np.isfinite(means).any() else None


def good(test: Array, best: int) -> NDArray[np.bool_]:
    """(rates, seeds): where a seed is within FACTOR of its own distance at the best rate; never
    where it diverged."""
    return test <= FACTOR * test[best]


def _cell(runs: Runs) -> Cell:
    best, last = best_rate(runs.validation), len(runs.exponents) - 1
    inside = np.zeros_like(runs.validation, bool) if best is None else good(runs.test[MAIN], best)
    fixed = runs.exponents.index(FIXED)
    return {
        "rates": [10 ** (SPACING * i) for i in runs.exponents],
        "validation": listed(runs.validation),
        "test": {name: listed(table) for name, table in runs.test.items()},
        "best": best,
        "fixed": fixed,
        "edge": {0: "low", last: "high"}.get(best, "") if best is not None else "",
        "open": [side for side, at in (("low", 0), ("high", last)) if inside[at].any()],
        "shown": {} if best is None else {"best": runs.images[best], "fixed": runs.images[fixed]},
        "parameters": runs.parameters,
        "alive": None if runs.alive is None else listed(runs.alive),
    }


def _joined(low: Runs, high: Runs) -> Runs:
    return Runs(
        low.exponents + high.exponents,
        np.concatenate([low.validation, high.validation]),
        {name: np.concatenate([low.test[name], high.test[name]]) for name in low.test},
        low.images + high.images,
        low.parameters,
        None
        if low.alive is None or high.alive is None
        else np.concatenate([low.alive, high.alive]),
    )


def listed(values: Array) -> Any:
    """JSON has no NaN: a diverged run is None."""
    return [[None if np.isnan(x) else float(x) for x in row] for row in values]
