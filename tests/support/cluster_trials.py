"""What the tests of a Ray cluster run on its nodes."""

import os
import signal
import time
from pathlib import Path
from typing import Any


def slow(i: int, log: str) -> int:
    """Its line says which worker began it."""
    with Path(log).open("a") as file:
        file.write(f"{i} {os.getpid()}\n")
    time.sleep(0.5)
    return i * i


def large(i: int, log: str) -> list[int]:
    """Too large to be sent to the driver with the news that it has finished: it stays on its node
    until fetched."""
    slow(i, log)
    return [i] * 10**6


def fatal(i: int, log: str) -> int:
    slow(i, log)
    if i == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return i


class TwoArguments(Exception):
    """Pickle makes an exception again from the one argument that its base has kept, which is too
    few."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} {where}")


def unspeakable(log: str) -> None:
    slow(0, log)
    raise TwoArguments("broken", "here")


def failing(i: int, log: str) -> int:
    slow(i, log)
    if i == 1:
        raise KeyError("trial 1 is broken")
    return i


def trials(log: Path, count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"i": i, "log": str(log), **more} for i in range(count)]
