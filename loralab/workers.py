"""What computes the cells of a memo: a function of the cells still to do, which gives each result
as it finishes.

local(jobs=4)                     # side by side on the cores of this machine
loralab.cluster.ray("host:6379")      # on a Ray cluster
"""

import os
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import joblib
from joblib.externals.loky import process_executor
from threadpoolctl import threadpool_limits

from loralab.process import Lost, serve

Function = Callable[..., Any]
Todo = dict[int, dict[str, Any]]  # the arguments of each cell, by its index
Finished = tuple[int, float, Any]  # index, seconds and result of a cell
Compute = Callable[[Function, Todo], Generator[Finished, None, None]]


def cores() -> int:
    """How many cells may run side by side: $LORALAB_JOBS, else the cores this process may use."""
    return int(os.environ.get("LORALAB_JOBS", 0)) or joblib.cpu_count()


def local(jobs: int | None = None) -> Compute:
    """`jobs` cells at once, `cores()` by default: in workers, or in this process where one is
    enough.

    A worker that is killed ends the map with `Lost`.
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"the number of cells that run at once must be at least 1, got {jobs}")

    def computed(function: Function, todo: Todo) -> Generator[Finished, None, None]:
        workers = min(jobs or cores(), len(todo))
        if workers <= 1:
            yield from (timed(function, i, cell) for i, cell in todo.items())
            return
        parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered")
        with joblib.parallel_config("loky", inner_max_num_threads=1), warnings.catch_warnings():
            # On Ctrl-C joblib warns that it drops the cells at work: that is what was asked for.
            warnings.filterwarnings(
                "ignore", ".*tasks which were still being processed", UserWarning
            )
            done: Any = parallel(
                joblib.delayed(_served)(os.getpid(), function, i, cell) for i, cell in todo.items()
            )
            try:
                yield from done
            except process_executor.BrokenProcessPool as error:
                raise Lost(
                    f"a worker was killed while cells of {function.__name__} ran, {workers} at "
                    "once, for want of memory"
                    " perhaps; what had finished is kept and will not be run again"
                ) from error

    return computed


side_by_side = local()


def _served(driver: int, *cell: Any) -> Finished:
    serve(driver)
    # loky replaces a worker that has grown by 300 MB, which one cell on a model does: the next
    # would load all again.
    process_executor._USE_PSUTIL = False  # type: ignore[attr-defined]
    return timed(*cell)


def timed(function: Function, index: int, cell: dict[str, Any]) -> Finished:
    """One cell, computed here and now on one BLAS thread."""
    start = time.perf_counter()
    with _one_thread():
        result = function(**cell)
    return index, time.perf_counter() - start, result


@contextmanager
def _one_thread() -> Iterator[None]:
    """One BLAS thread a cell, so that a result does not depend on how the cell was scheduled."""
    # it sets its own number again at its first use, so it is told by itself
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    with threadpool_limits(1):
        if torch:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(before)
