"""Executors: each computes the trials that a memo still has to run, and yields results as they
finish.

    local(jobs=4)                     # side by side on the cores of this machine
    loralab.cluster.ray("host:6379")  # on a Ray cluster
"""

import os
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import threadpool_limits

from loralab.process import Lost, serve

JOBS = "LORALAB_JOBS"
Function = Callable[..., Any]
Todo = dict[int, dict[str, Any]]  # the arguments of each trial, by its index
Finished = tuple[int, float, Any]  # index, seconds and result of a trial
Compute = Callable[[Function, Todo], Generator[Finished, None, None]]


def cores() -> int:
    """How many trials may run side by side: $LORALAB_JOBS, else the cores this process may use."""
    import joblib  # numpy too, which no --help should wait for

    return int(os.environ.get(JOBS, 0)) or joblib.cpu_count()


def local(jobs: int | None = None) -> Compute:
    """An executor on this machine: in worker processes, or in this process where one is enough.

    Args:
        jobs: trials at once, by default `cores()`.

    Raises:
        ValueError: where `jobs` is less than 1.
        Lost: during the map, where a worker is killed.
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"the number of trials that run at once must be at least 1, got {jobs}")

    def computed(function: Function, todo: Todo) -> Generator[Finished, None, None]:
        workers = min(jobs or cores(), len(todo))
        if workers <= 1:
            yield from (timed(function, i, trial) for i, trial in todo.items())
            return
        import joblib
        from joblib.externals.loky.process_executor import BrokenProcessPool

        parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered")
        with joblib.parallel_config("loky", inner_max_num_threads=1), warnings.catch_warnings():
            # On Ctrl-C joblib warns that it drops the trials at work: that is what was asked for.
            warnings.filterwarnings(
                "ignore", ".*tasks which were still being processed", UserWarning
            )
            done: Any = parallel(
                joblib.delayed(_served)(os.getpid(), function, i, trial)
                for i, trial in todo.items()
            )
            try:
                yield from done
            except BrokenProcessPool as error:
                raise Lost(
                    f"a worker was killed while trials of {function.__name__} ran, {workers} at "
                    "once, perhaps for want of memory; what had finished is kept and will not be "
                    "run again"
                ) from error

    return computed


side_by_side = local()


def _served(driver: int, *trial: Any) -> Finished:
    from joblib.externals.loky import process_executor

    serve(driver)
    # loky replaces a worker that has grown by 300 MB, which one trial on a model does: the next
    # would load all again.
    process_executor._USE_PSUTIL = False  # type: ignore[attr-defined]
    return timed(*trial)


def timed(function: Function, index: int, trial: dict[str, Any]) -> Finished:
    """One trial, computed here and now on one BLAS thread."""
    start = time.perf_counter()
    with _one_thread():
        result = function(**trial)
    return index, time.perf_counter() - start, result


@contextmanager
def _one_thread() -> Iterator[None]:
    """One BLAS thread a trial, so that a result does not depend on how the trial was scheduled."""
    # torch sets its own number again at its first use, so it needs a call of its own
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
