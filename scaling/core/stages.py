"""How long each stage of a run took, a line each: on standard error, as all progress."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from scaling.core.processes import is_first


class Stages:
    """The stages of one run. Their lines wait until `show` is called, when its input has proved
    right: wrong input is one sentence, and no other. What `now` is done, a stage or a step, is for
    who stops the run."""

    def __init__(self) -> None:
        self.waiting: list[str] | None = []
        self.now = ""

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        """Say how long the block took, unless it fails."""
        self.now, began = what, time.perf_counter()
        yield
        self.say(what, began)

    def say(self, what: str, began: float) -> None:
        """Say how long it is since `began`, a time of `time.perf_counter`."""
        self.note(f"{what}: {time.perf_counter() - began:.1f} s")

    def note(self, line: str) -> None:
        """Print the line, or have it wait with the others."""
        if self.waiting is None:
            _print(line)
        else:
            self.waiting.append(line)

    def show(self) -> None:
        """Print what waits, and from now on every stage as it ends."""
        for line in self.waiting or ():
            _print(line)
        self.waiting = None


def announce() -> None:
    """Say that what takes seconds to load is loaded, as that begins; nothing where it is there."""
    if "torch" not in sys.modules and is_first():
        print("loading torch and transformers ...", file=sys.stderr, flush=True)


def _print(line: str) -> None:
    if is_first():
        from tqdm import tqdm  # whose bars a plain print would break

        tqdm.write(line, file=sys.stderr)
