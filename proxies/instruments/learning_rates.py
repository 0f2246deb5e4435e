"""The one search for a learning rate: a grid of 10^(i/k), extended while the best one is outermost.

A method is compared at its own best learning rate, and that rate must lie inside the grid, or the
comparison is one of grids. So a search starts from the exponents i = first..last, asks a criterion
for the best, and adds some on each side on which the best, or one that is still good, is outermost.
Where the last round does not settle it, `edge` and `open` say so.

    found = search(run, Grid(-5, 2, added=2, rounds=3), lambda result: -result.accuracy)
    found.learning_rate, found.result, found.edge
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Grid:
    """Learning rates 10^(i / per_decade) for the exponents i = first..last, both included.

    Args:
        first: the lowest exponent.
        last: the highest exponent.
        per_decade: learning rates in a decade.
        added: exponents that are added to a side at a time.
        rounds: how often exponents are added before the search gives up.
    """

    first: int
    last: int
    per_decade: int = 2
    added: int = 2
    rounds: int = 3

    def learning_rate(self, exponent: int) -> float:
        return 10 ** (exponent / self.per_decade)


@dataclass(frozen=True)
class Search(Generic[Result]):
    """What a search found.

    Args:
        grid: where it began.
        results: what each exponent gave, in ascending order of the exponents.
        best: for each criterion the exponent of the least value, None where none was finite.
        open: the sides, "low" and "high", on which the outermost result is still good.
    """

    grid: Grid
    results: dict[int, Result]
    best: tuple[int | None, ...]
    open: tuple[str, ...] = ()

    @property
    def learning_rates(self) -> list[float]:
        return [self.grid.learning_rate(i) for i in self.results]

    @property
    def learning_rate(self) -> float | None:
        """The best learning rate by the first criterion."""
        return None if self.best[0] is None else self.grid.learning_rate(self.best[0])

    @property
    def result(self) -> Result | None:
        """What the best learning rate by the first criterion gave."""
        return None if self.best[0] is None else self.results[self.best[0]]

    @property
    def edges(self) -> tuple[str, ...]:
        """For each criterion "low" or "high" where its best is outermost, "" where it is inside."""
        return tuple(side(tuple(self.results), best) for best in self.best)

    @property
    def edge(self) -> str:
        return self.edges[0]


def search(
    run: Callable[[list[int]], Sequence[Result]],
    grid: Grid,
    *criteria: Callable[[Result], float | tuple[float, ...]],
    good: Callable[[Result, Result], bool] | None = None,
) -> Search[Result]:
    """Run the grid, and extend it while a best learning rate is outermost.

    Args:
        run: gives one result for each of some exponents, in their order; it is called once a round.
        grid: where to begin, and how far to go on.
        criteria: each maps a result to what is minimised, numbers or tuples of them that are
            compared in order; a first number that is not finite marks a result as unusable. At a
            tie the lowest learning rate wins.
        good: whether a result, beside the best by the first criterion, is still good; the grid is
            extended on a side where the outermost one is.

    Returns: every result with the best exponents.
    """
    results: dict[int, Result] = {}
    wanted = list(range(grid.first, grid.last + 1))
    for left in range(grid.rounds, -1, -1):
        results |= dict(zip(wanted, run(wanted), strict=True))
        results = dict(sorted(results.items()))
        found = _judged(grid, results, criteria, good)
        sides = {*found.edges, *found.open}
        low, high = min(results), max(results)
        wanted = [*range(low - grid.added, low)] * ("low" in sides)
        wanted += [*range(high + 1, high + 1 + grid.added)] * ("high" in sides)
        if not wanted or not left:
            break
    return found


def _judged(
    grid: Grid,
    results: dict[int, Result],
    criteria: Sequence[Callable[[Result], float | tuple[float, ...]]],
    good: Callable[[Result, Result], bool] | None,
) -> Search[Result]:
    best = tuple(_least({i: criterion(r) for i, r in results.items()}) for criterion in criteria)
    ends = {"low": min(results), "high": max(results)}
    if good is None or best[0] is None:
        return Search(grid, results, best)
    top = results[best[0]]
    return Search(grid, results, best, tuple(s for s, i in ends.items() if good(results[i], top)))


def _least(values: dict[int, float | tuple[float, ...]]) -> int | None:
    tuples = {i: v if isinstance(v, tuple) else (v,) for i, v in values.items()}
    finite = {i: value for i, value in tuples.items() if math.isfinite(value[0])}
    return min(finite, key=finite.__getitem__) if finite else None


def side(tried: Sequence[float], best: float | None) -> str:
    """Where the best of what was tried lies: "low" or "high" at an end, "" inside or for None."""
    return {min(tried): "low", max(tried): "high"}.get(best, "") if best is not None else ""
