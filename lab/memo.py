"""Cells: pure functions of JSON-like arguments, whose results are kept in the run store.

    memo(sweep, target="gauss", method="direct")       # computed once, then read
    memo.map(sweep, [{"target": "gauss"}, ...])        # side by side on the cores, each kept as it finishes

A killed run goes on at the first cell that had not finished.
"""

import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import joblib
from threadpoolctl import threadpool_limits

from lab.process import serve
from lab.progress import track
from lab.store import Store, run_key


class Memo:
    """`force` computes every cell again; the old result stays until the new one replaces it."""

    def __init__(self, store: Store, family: str, code: str, force: bool = False) -> None:
        self.store, self.family, self.code, self.force = store, family, code, force

    def __call__(self, function: Callable[..., Any], **arguments: Any) -> Any:
        return self.map(function, [arguments])[0]

    def map(self, function: Callable[..., Any], cells: Iterable[dict[str, Any]]) -> list[Any]:
        """The result of every cell, in order. Workers compute; this process alone writes."""
        cells, name = list(cells), function.__name__
        results: dict[int, Any] = {}
        for i, cell in enumerate(cells):
            if not self.force and (run := self.store.get(run_key(self.family, name, cell, self.code))):
                results[i] = run.result
        todo = {i: cells[i] for i in range(len(cells)) if i not in results}
        for i, seconds, result in track(_computed(function, todo), f"{self.family}: {name}", len(todo)):
            results[i] = self.store.put(self.family, name, cells[i], self.code, seconds, result).result
        return [results[i] for i in range(len(cells))]


def cores() -> int:
    """How many cells may run side by side: $LORALAB_JOBS, else the cores this process may use."""
    return int(os.environ.get("LORALAB_JOBS", 0)) or joblib.cpu_count()


def _computed(function: Callable[..., Any], todo: dict[int, dict[str, Any]]) -> Iterator[tuple[int, float, Any]]:
    """Index, seconds and result of every cell as it finishes: in workers, or here when one is enough."""
    workers = min(cores(), len(todo))
    if workers <= 1:
        yield from (_timed(function, i, cell) for i, cell in todo.items())
        return
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered")
    with joblib.parallel_config("loky", inner_max_num_threads=1), warnings.catch_warnings():
        # On Ctrl-C joblib warns that it drops the cells at work: that is what was asked for.
        warnings.filterwarnings("ignore", ".*tasks which were still being processed", UserWarning)
        done: Any = parallel(joblib.delayed(_served)(os.getpid(), function, i, cell) for i, cell in todo.items())
        yield from done


def _served(driver: int, *cell: Any) -> tuple[int, float, Any]:
    serve(driver)
    return _timed(*cell)


def _timed(function: Callable[..., Any], index: int, cell: dict[str, Any]) -> tuple[int, float, Any]:
    start = time.perf_counter()
    with _one_thread():
        result = function(**cell)
    return index, time.perf_counter() - start, result


@contextmanager
def _one_thread() -> Iterator[None]:
    """One BLAS thread a cell, so that a result does not depend on how the cell was scheduled."""
    torch = sys.modules.get("torch")  # it sets its own number again at its first use, so it is told by itself
    before = torch.get_num_threads() if torch else 0
    with threadpool_limits(1):
        if torch:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(before)
