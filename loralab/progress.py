"""Progress: a bar on a terminal, plain lines elsewhere; always on standard error, never in the way
of output."""

import sys
import time
from collections.abc import Generator, Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

T = TypeVar("T")
console = Console(stderr=True)
EVERY = 10.0  # seconds between plain lines
UNITS = {"s": 1, "min": 60, "h": 3600}
MANY = 100  # of a unit, from which the next one is used


def track(items: Iterable[T], what: str, total: int, at_once: int = 1) -> Generator[T, None, None]:
    """Hand the items on while saying how many of `total` are done, and about how long the others
    will take.

    Args:
        items: in the order in which they finish.
        what: they are.
        total: how many there will be.
        at_once: how many are at work at a time.
    """
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), Done(at_once))
        with Progress(*columns, console=console, transient=True) as bar:
            yield from bar.track(items, total, description=what)
        return
    lines = Lines(what, total, at_once)
    for count, item in enumerate(items, 1):
        yield item
        lines.at(count)


class Lines:
    """A plain line now and then of how many are done; nothing of what is quickly done."""

    def __init__(self, what: str, total: int, at_once: int = 1) -> None:
        self.what, self.total, self.at_once = what, total, at_once
        self.start = self.said = time.monotonic()

    def at(self, count: int) -> None:
        """So many are done now."""
        now = time.monotonic()
        if now - self.said >= EVERY or (count == self.total and self.said > self.start):
            self.said = now
            say(f"{self.what}: {done(count, self.total, now - self.start, self.at_once)}")


def say(line: str) -> None:
    """A line on standard error, where no bar is."""
    print(line, file=sys.stderr, flush=True)


class Done(ProgressColumn):
    """`done`, beside a bar."""

    def __init__(self, at_once: int) -> None:
        super().__init__()
        self.at_once = at_once

    def render(self, task: Task) -> Text:
        counts = int(task.completed), int(task.total or 0)
        return Text(done(*counts, task.elapsed or 0.0, self.at_once))


def done(count: int, total: int, seconds: float, at_once: int) -> str:
    """How many are done, and how long the others will take: of those at work beside the one that
    has just finished, half is done."""
    text = f"{count} of {total} after {duration(seconds)}"
    if not 0 < count < total:
        return text
    halves = count + (min(at_once, total - count + 1) - 1) / 2
    return f"{text}, about {duration(seconds * (total - halves) / halves)} left"


def duration(seconds: float) -> str:
    """In the unit in which it has two digits or so."""
    unit = next((unit for unit, size in UNITS.items() if seconds < MANY * size), "h")
    number = seconds / UNITS[unit]
    return f"{number:.{int(unit != 's' and number < 10)}f} {unit}"
