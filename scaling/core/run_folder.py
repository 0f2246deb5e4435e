"""The folder of a run: whose it is, which of its files are the run's, whether it has finished.

One process at a time has a folder, by a lock that ends with it. A finished run is moved aside when
another one begins in its place, and goes when that one has finished: a kill at any time leaves
whole either the one or the other.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from scaling.core.outputs import (
    BEFORE,
    CURVES,
    METRICS,
    PAGE,
    PREDICTIONS,
    RUN,
    TRAINED,
    read_json,
    write_json,
)

LOCK, REPLACED = ".lock", ".replaced"
CHECKPOINTS, PARTIAL = "checkpoint-*", ".partial"
FILES = (METRICS, *TRAINED, PREDICTIONS, CURVES, PAGE, BEFORE)
# All that a run writes, and so all that is ever moved or removed; what a service of report_to
# writes is left to it. METRICS, which a finished run has, is first and RUN last: see `settle`.
OWN = (*FILES, CHECKPOINTS, PARTIAL, *(f".{name}.*partial" for name in (*FILES, RUN)), RUN)
HOW = ("micro_batch", "sharded")  # is trained, not what: a run may go on with another


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder for this process. Nothing is left of one that was not there and stays empty.

    Raises: ValueError where another process has it, or it cannot be written.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise ValueError(f"{folder} cannot be written, as {there} is no folder")
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ValueError(f"another process is at work in {folder}; choose another --out") from error
    except OSError as error:
        raise ValueError(f"{folder} cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):  # what holds something stays
            for path in made:
                path.rmdir()


def own(folder: Path) -> list[Path]:
    """What a run has written into the folder."""
    return [path for name in OWN for path in sorted(folder.glob(name))]


def is_free(folder: Path) -> bool:
    """Whether there is nothing in the folder of a run or of anyone else."""
    return all(path.name == LOCK for path in folder.iterdir())


def check_folder(
    folder: Path, settings: dict[str, Any], resume: bool, force: bool
) -> dict[str, Any] | None:
    """Look whether a run of these settings may have the folder, which this process holds; gives its
    result where it has finished already.

    Raises ValueError where it holds another run, or one that was cut off and is neither to be
    resumed nor replaced.
    """
    if force and resume:
        raise ValueError("--resume goes on with a run and --force begins it anew: pass one of them")
    settle(folder)
    record, kept, way_out = folder / RUN, "", "choose another --out, or pass --force"
    if (folder / REPLACED).is_dir():
        kept = f" (the finished run that it replaces is whole in {folder / REPLACED})"
    if record.is_file():
        if force:
            return None
        earlier = read_json(record)
        if changed := [n for n in settings if earlier.get(n) != settings[n] and n not in HOW]:
            raise ValueError(
                f"{folder} holds a run with another {changed[0]} ({earlier.get(changed[0])!r})"
                f"{kept}; {'--resume goes on with the flags of that run' if resume else way_out}"
            )
        if (folder / METRICS).is_file():
            return read_json(folder / METRICS)
        if not resume:
            raise ValueError(
                f"{folder} holds this run unfinished{kept}; pass --resume to go on, or --force to "
                "begin anew"
            )
    elif resume:
        raise ValueError(f"there is no run to resume in {folder}")
    elif not is_free(folder):
        raise ValueError(f"{folder} is not empty and holds no run; choose another --out")
    return None


def recorded(folder: Path, name: str) -> Any:
    """A setting of the run that the folder holds; None where it holds none."""
    settle(folder)
    return read_json(folder / RUN).get(name) if (folder / RUN).is_file() else None


def begin(folder: Path, settings: dict[str, Any], anew: bool = False) -> None:
    """Write down whose the folder is: when training begins, so that a mistake in the input leaves
    everything as it was. With `anew` an unfinished run goes, and a finished one is moved aside."""
    folder.mkdir(parents=True, exist_ok=True)
    if anew:
        aside = folder / REPLACED
        if finished := (folder / METRICS).is_file():
            aside.mkdir()
        for path in own(folder):
            if finished:
                path.rename(aside / path.name)
            elif path.name != RUN:
                _remove(path)
    write_json(folder / RUN, settings)


def finish(folder: Path, result: dict[str, Any]) -> None:
    """Write down the result; checkpoints, and the run that this one replaces, are then of no use
    any more."""
    write_json(folder / METRICS, result)
    for path in [*folder.glob(CHECKPOINTS), folder / PARTIAL]:
        _remove(path)
    settle(folder)


def settle(folder: Path) -> None:
    """Bring to an end what a kill cut off between two runs: the run that was moved aside goes where
    the one in its place has finished, and comes back where that one had not begun."""
    aside = folder / REPLACED
    if (folder / METRICS).is_file():
        _remove(aside)
    elif aside.is_dir() and not ((folder / RUN).is_file() and (aside / RUN).is_file()):
        for path in reversed(own(aside)):
            path.rename(folder / path.name)
        _remove(aside)


def clear(folder: Path) -> None:
    """Remove the run of the folder, and the folder where nothing else is in it."""
    for path in own(folder):
        _remove(path)
    with suppress(OSError):  # what holds something stays
        folder.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
