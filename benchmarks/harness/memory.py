"""Peaks of memory: on a CPU the resident set's high-water mark above what stood before, in a new
process, since a heap that was used before is larger already; on a GPU the allocator's own mark."""

import gc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness.rows import NotMeasured

MIB = 2**20
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def in_new_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """function(*arguments), a function of a module, in an interpreter that has run nothing yet."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _resident(key: str) -> float:
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    raise NotMeasured(f"{STATUS} has no {key}")


def peak(run: Callable[[], object], device: str = "cpu") -> float:
    """MiB at most above what stood before, while `run` runs."""
    gc.collect()
    if device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / MIB
    if not CLEAR.exists():
        raise NotMeasured("peaks of memory are read from /proc, which this system lacks")
    before = _resident("VmRSS")
    CLEAR.write_text("5")  # sets VmHWM back to VmRSS
    run()
    return _resident("VmHWM") - before
