"""Cells: pure functions of JSON-like arguments, whose results are kept in the run store.

    memo(sweep, target="gauss", method="direct")       # computed once, then read
    memo.map(sweep, [{"target": "gauss"}, ...])        # side by side on the cores, each kept as it
                                                       finishes

A killed run goes on at the first cell that had not finished.
"""

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

from loralab.progress import track
from loralab.store import Store, run_key
from loralab.workers import Compute, side_by_side


class Memo:
    """`force` computes every cell again; the old result stays until the new one replaces it.
    `compute` says where."""

    def __init__(
        self,
        store: Store,
        family: str,
        code: str,
        force: bool = False,
        compute: Compute = side_by_side,
    ) -> None:
        self.store, self.family, self.code, self.force, self.compute = (
            store,
            family,
            code,
            force,
            compute,
        )

    def __call__(self, function: Callable[..., Any], **arguments: Any) -> Any:
        return self.map(function, [arguments])[0]

    def map(self, function: Callable[..., Any], cells: Iterable[dict[str, Any]]) -> list[Any]:
        """The result of every cell, in order. Workers compute; this process alone writes."""
        cells, name = list(cells), function.__name__
        results: dict[int, Any] = {}
        for i, cell in enumerate(cells):
            if not self.force and (
                run := self.store.get(run_key(self.family, name, cell, self.code))
            ):
                results[i] = run.result
        todo = {i: cells[i] for i in range(len(cells)) if i not in results}
        with closing(self.compute(function, todo)) as finished:
            for i, seconds, result in track(finished, f"{self.family}: {name}", len(todo)):
                results[i] = self.store.put(
                    self.family, name, cells[i], self.code, seconds, result
                ).result
        return [results[i] for i in range(len(cells))]
