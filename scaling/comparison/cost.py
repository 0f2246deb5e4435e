"""What a sweep costs, said before it begins: how many trials, how many side by side, how long."""

from collections.abc import Mapping

import torch

from loralab.progress import duration
from loralab.workers import cores
from scaling.comparison.axes import Grid
from scaling.comparison.grid import Method


def at_once() -> int:
    """How many trials run side by side on this machine where no one says: one a core, or one a
    GPU."""
    return 1 if torch.cuda.is_available() else cores()


def announced(methods: Mapping[str, Method], grid: Grid, workers: int | None) -> str:
    """What a sweep will run, in one line.

    Args:
        methods: what is compared, by label.
        grid: the seeds, those that confirm included.
        workers: of this machine; None for a cluster.
    """
    by_rates: dict[tuple[float, ...], list[str]] = {}
    for label, method in methods.items():
        by_rates.setdefault(method.rates, []).append(label)
    several = len(by_rates) > 1
    rates = [
        " ".join(f"{rate:g}" for rate in of_some) + f" ({', '.join(labels)})" * several
        for of_some, labels in by_rates.items()
    ]
    total = sum(len(method.rates) for method in methods.values()) * len(grid.seeds)
    here = counted("worker", min(workers, total)) if workers else "a Ray cluster"
    lengths = sorted({len(of_some) for of_some in by_rates})
    axes = [
        counted("method", len(methods)),
        counted("learning rate", *lengths),
        counted("seed", len(grid.seeds)),
    ]
    unseen = f", then {len(methods) * grid.confirm} with unseen seeds" if grid.confirm else ""
    return (
        f"{counted('trial', total)}: {' x '.join(axes)}{unseen}, on {here}; learning rates "
        f"{', '.join(rates)}"
    )


def counted(what: str, *counts: int) -> str:
    """The noun behind its number, or its numbers where they differ."""
    return f"{' or '.join(map(str, counts))} {what}{'s' * (counts[-1] != 1)}"


def predicted(trials: int, seconds: float) -> str:
    """How long so many trials take here, in one line: each has one core, or a GPU.

    Args:
        trials: of a sweep.
        seconds: that a trial takes in this process.
    """
    workers = min(at_once(), trials)
    threads = 1 if torch.cuda.is_available() else torch.get_num_threads()
    spent = duration(trials * seconds * threads / workers)
    each = "" if torch.cuda.is_available() else ", a core each"
    on = counted("worker", workers)
    return f"{counted('trial', trials)}, about {spent} of training on {on}{each}"
