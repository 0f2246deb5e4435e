"""Progress: a bar on a terminal, plain lines elsewhere; always on standard error, never in the way
of output."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track as bar

T = TypeVar("T")
console = Console(stderr=True)
EVERY = 10.0  # seconds between plain lines


def track(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """Hand the items on while saying how many of `total` are done."""
    if console.is_terminal:
        yield from bar(items, what, total, console=console, transient=True)
        return
    start = said = time.monotonic()
    for count, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - said >= EVERY or (count == total and said > start):
            said = now
            print(
                f"{what}: {count} of {total} after {now - start:.0f} s",
                file=console.file,
                flush=True,
            )
