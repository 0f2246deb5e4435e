"""Interleaved timing: every round runs all actions, so that what slows the machine down for a while
slows all of them.

On a CPU the clock is that of the process's own processor time, which other load changes little; on
a GPU it is that of CUDA events. Every second round goes backwards, so that none always comes after
the same one.
"""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.harness.rows import Setting


def nothing() -> None:
    return None


@dataclass(frozen=True)
class Action:
    """run(prepare()), of which the first is not timed."""

    run: Callable[[Any], object]
    prepare: Callable[[], Any] = nothing
    repeats: int = 1
    """runs a round, for what takes microseconds"""


def seconds(action: Action, device: str) -> float:
    """Of one run."""
    given = action.prepare()
    gc.collect()
    if device == "cuda":
        return _on_cuda(action, given) / action.repeats
    start = time.process_time()
    for _ in range(action.repeats):
        action.run(given)
    return (time.process_time() - start) / action.repeats


def _on_cuda(action: Action, given: Any) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    for _ in range(action.repeats):
        action.run(given)
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1e3


def interleaved(
    actions: Mapping[str, Action], setting: Setting, rounds: int | None = None, warm: bool = True
) -> dict[str, list[float]]:
    """Seconds of every action in every round.

    Args:
        actions: by name; few that run for long are better paired than many.
        setting: has the number of rounds.
        rounds: at most so many, for what takes minutes.
        warm: whether a round that is not timed comes first.
    """
    times: dict[str, list[float]] = {name: [] for name in actions}
    gc.collect()
    gc.freeze()  # what is there already: a collection before every run is then cheap
    try:
        if warm:
            for action in actions.values():
                seconds(action, setting.device)
        for turn in range(min(setting.pairs, rounds or setting.pairs)):
            for name in list(actions)[:: 1 if turn % 2 == 0 else -1]:
                times[name].append(seconds(actions[name], setting.device))
    finally:
        gc.unfreeze()
    return times
