"""What cells say about each other, paired over seeds: one seed is one split, start and noise for
every method.

A function gives None where a cell does not support the comparison: no best rate inside its grid, a
window of good rates that the grid cuts off, or a seed that diverged at the rate in question.
"""

from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.statistics import geometric_mean, mean
from proxies.families.overparam_generation.trials.sweep import MAIN, SPACING, Array, Cell, good


def table(values: Any) -> Array:
    """(rates, seeds), NaN for None."""
    return np.array(values, float)


def at_best(cell: Cell, score: str = MAIN) -> Array | None:
    """A score of each seed at the cell's best rate."""
    return (
        None if cell["best"] is None or cell["edge"] else table(cell["test"][score])[cell["best"]]
    )


def at_fixed(cell: Cell, score: str = MAIN) -> Array | None:
    """A score of each seed at the rate 1e-4."""
    found = table(cell["test"][score])[cell["fixed"]]
    return None if np.isnan(found).any() else found


def level(values: Array | None) -> Measured | None:
    return None if values is None else mean(values.tolist())


def ratio(first: Array | None, second: Array | None) -> Measured | None:
    """The first one's values over the second's, seed by seed."""
    return None if first is None or second is None else geometric_mean((first / second).tolist())


def middle(first: Array | None, second: Array | None) -> Array | None:
    """The geometric mean of the two, seed by seed."""
    return None if first is None or second is None else np.sqrt(first * second)


def widths(cell: Cell) -> Array | None:
    """For each seed the decades of grid rates within its window of good ones, gaps left out."""
    inside = _window(cell)
    return None if inside is None else SPACING * inside.sum(0)


def centres(cell: Cell) -> Array | None:
    """For each seed the mean of log10 of its good rates; the best rate is always one of them."""
    inside = _window(cell)
    return (
        None
        if inside is None
        else (np.log10(cell["rates"])[:, None] * inside).sum(0) / inside.sum(0)
    )


def difference(first: Array | None, second: Array | None) -> Measured | None:
    return None if first is None or second is None else mean((first - second).tolist())


def _window(cell: Cell) -> Any:
    settled = cell["best"] is not None and not cell["edge"] and not cell["open"]
    return (
        good(table(cell["test"][MAIN]), cell["best"])
        if settled and cell["best"] is not None
        else None
    )


def alive(cell: Cell, rate: float) -> Array | None:
    """The share of live hidden units of each seed after training at this rate."""
    at = _index(cell, rate)
    return None if at is None or cell["alive"] is None else table(cell["alive"])[at]


def lag(first: Cell, second: Cell, rate: float) -> Array | None:
    """Decades below `rate` at which the first method has the distance that the second has there,
    seed by seed.

    Read off the first one's descent from its lowest rate to its best, linearly in the logarithms of
    rate and distance; None where some seed's descent does not span that distance.
    """
    at = _index(second, rate)
    if first["best"] is None or at is None:
        return None
    wanted = np.log(table(second["test"][MAIN])[at])
    falling = np.log(table(first["test"][MAIN])[: first["best"] + 1])
    where = np.log10(first["rates"][: first["best"] + 1])
    found = []
    for level, curve in zip(wanted, falling.T, strict=True):
        if not (curve > level).any() or not (curve <= level).any():
            return None
        i = int(np.argmax(curve <= level))  # the first rate that is as near
        if i == 0:
            return None
        share = (curve[i - 1] - level) / (curve[i - 1] - curve[i])
        found.append(np.log10(rate) - (where[i - 1] + share * (where[i] - where[i - 1])))
    return np.array(found)


def highest(cell: Cell) -> Array | None:
    """log10 of each seed's highest good rate."""
    inside = _window(cell)
    return (
        None
        if inside is None
        else np.log10(cell["rates"])[len(inside) - 1 - inside[::-1].argmax(0)]
    )


def _index(cell: Cell, rate: float) -> int | None:
    return next((i for i, one in enumerate(cell["rates"]) if np.isclose(one, rate)), None)
