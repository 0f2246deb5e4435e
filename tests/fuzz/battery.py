"""Running a battery: cases that follow from a seed, each within a time limit, and a table of what
came of them.

A case is a function of (battery, seed, index) alone, so a bad one is repeated by its index:

    python -m tests.fuzz.load --seed 0 --only 1234

The cases are split between forked processes. One that dies, or that even a signal cannot stop, is
reported as the case at which it was, and the others go on.
"""

import argparse
import json
import mmap
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tests.fuzz.judge import BAD, Hung, Judged, Outcome

PATIENCE = (
    60.0  # seconds beyond its limit after which a case is taken to be out of reach of signals
)
FAILURES = Path("build") / "fuzz"


@dataclass(frozen=True)
class Battery:
    """What is tried, and how.

    Args:
        name: of the battery, as it is typed.
        promise: what every case is judged by, in words.
        cases: how many the whole has.
        limit: seconds after which a case hangs.
        prepare: prepare(folder) makes what all cases share, in a folder of its own.
        case: case(shared, rng, index, folder) runs one, in a folder of its process.
    """

    name: str
    promise: str
    cases: int
    limit: float
    prepare: Callable[[Path], Any]
    case: Callable[[Any, random.Random, int, Path], Judged]


@dataclass
class Result:
    """What came of the cases that were run."""

    planned: int
    judged: dict[int, Judged] = field(default_factory=dict)

    @property
    def bad(self) -> dict[int, Judged]:
        return {i: one for i, one in sorted(self.judged.items()) if one.outcome in BAD}

    @property
    def complete(self) -> bool:
        return len(self.judged) == self.planned

    def __str__(self) -> str:
        """A table of counts: a row for each kind of case, a column for each outcome."""
        counts = Counter((one.kind, one.outcome) for one in self.judged.values())
        columns = [outcome for outcome in Outcome if any(o is outcome for _, o in counts)]
        columns = sorted({*columns, *BAD}, key=list(Outcome).index)
        kinds = sorted({kind for kind, _ in counts})
        width = max(map(len, (*kinds, "all")), default=3)
        lines = [f"  ({i}) {outcome.value}" for i, outcome in enumerate(columns, 1)]
        heads = "".join(f"{f'({i})':>9}" for i in range(1, len(columns) + 1))
        lines.append(f"  {'':{width}}{'cases':>9}{heads}")
        for kind in (*kinds, "all"):
            row = [
                sum(n for (k, o), n in counts.items() if o is outcome and kind in (k, "all"))
                for outcome in columns
            ]
            lines.append(f"  {kind:{width}}{sum(row):>9,}" + "".join(f"{n:>9,}" for n in row))
        return "\n".join(lines)


def run(
    battery: Battery,
    cases: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    seconds: float = float("inf"),
    only: Iterable[int] | None = None,
) -> Result:
    """Run the cases of a battery; after `seconds` no further one is begun."""
    indices = list(range(battery.cases if cases is None else cases) if only is None else only)
    until = time.monotonic() + seconds
    with scratch() as folder:
        shared = battery.prepare(folder)
        result = Result(len(indices))

        def one(index: int, where: Path) -> Judged:
            rng = random.Random(f"{battery.name}/{seed}/{index}")
            where.mkdir(exist_ok=True)
            try:
                with limited(battery.limit):
                    return battery.case(shared, rng, index, where)
            except Hung:
                return Judged("any", Outcome.HUNG, f"case {index}", f"over {battery.limit:g} s")
            except Exception as error:
                error.add_note(f"a fault of the battery's own, in case {index} of seed {seed}")
                raise

        if jobs == 1:
            for index in indices:
                if time.monotonic() > until:
                    break
                result.judged[index] = one(index, folder / "0")
        else:
            slots = [_Slot(indices[k::jobs], folder, k, one, until) for k in range(jobs)]
            try:
                while sum(slot.busy(battery.limit + PATIENCE) for slot in slots):
                    time.sleep(0.05)
            finally:
                for slot in slots:
                    slot.stop()
            for slot in slots:
                result.judged |= slot.results()
    return result


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory where there is one, since thousands of files are written."""
    memory = Path("/dev/shm")
    where = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=where))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise Hung in the block once it has taken this long."""

    def ring(*_: Any) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _Slot:
    """A process that runs its cases in turn, and another in its place where it dies."""

    def __init__(
        self,
        indices: list[int],
        folder: Path,
        number: int,
        one: Callable[[int, Path], Judged],
        until: float,
    ) -> None:
        self.indices, self.one, self.until = indices, one, until
        self.where, self.log = folder / f"work-{number}", folder / f"judged-{number}.jsonl"
        self.done = mmap.mmap(-1, 8)  # how many cases have ended, seen by both processes
        self.moved = (0, time.monotonic())
        self._fork()

    def _fork(self) -> None:
        sys.stdout.flush()
        if (child := os.fork()) == 0:
            try:
                with self.log.open("a") as log:
                    while (at := self._at()) < len(self.indices) and time.monotonic() < self.until:
                        judged = self.one(self.indices[at], self.where)
                        log.write(_line(self.indices[at], judged) + "\n")
                        log.flush()
                        self.done[:] = struct.pack("q", at + 1)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        self.child = child

    def _at(self) -> int:
        return struct.unpack("q", self.done[:])[0]

    def busy(self, patience: float) -> bool:
        """Whether cases are left; looks after the process."""
        if self.child == 0:
            return False
        ended, status = os.waitpid(self.child, os.WNOHANG)
        at = self._at()
        if at != self.moved[0]:
            self.moved = (at, time.monotonic())
        if not ended and time.monotonic() - self.moved[1] > patience:
            os.kill(self.child, signal.SIGKILL)
            _, status = os.waitpid(self.child, 0)
            ended = self.child
        if not ended:
            return True
        self.child = 0
        if status and at < len(self.indices):
            if not os.WIFSIGNALED(status):
                raise RuntimeError(f"the battery failed at case {self.indices[at]}, see above")
            with self.log.open("a") as log:
                died = f"the process ended with status {status}"
                what = Judged("any", Outcome.HUNG, f"case {self.indices[at]}", died)
                log.write(_line(self.indices[at], what) + "\n")
            self.done[:] = struct.pack("q", at + 1)
            self._fork()
            return True
        return False

    def stop(self) -> None:
        if self.child:
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)

    def results(self) -> dict[int, Judged]:
        if not self.log.exists():
            return {}
        rows = map(json.loads, self.log.read_text().splitlines())
        return {
            row["index"]: Judged(row["kind"], Outcome(row["outcome"]), row["case"], row["detail"])
            for row in rows
        }


def _line(index: int, one: Judged) -> str:
    row = {"index": index, "kind": one.kind, "outcome": one.outcome.value}
    return json.dumps(row | {"case": one.case, "detail": one.detail})


def report(battery: Battery, result: Result, seed: int, failures: Path | None = None) -> bool:
    """Print the table, write every bad case to a file, and say whether there is none."""
    print(f"{battery.name}: {battery.promise}\n{result}")
    shown: Counter[tuple[str, Outcome, str]] = Counter()
    for index, one in result.bad.items():
        # of cases alike in their detail, whatever the numbers in it, the first is printed
        alike = "".join(c for c in one.detail.split(" in ")[0][:80] if not c.isdigit())
        shown[one.kind, one.outcome, alike] += 1
        if shown[one.kind, one.outcome, alike] == 1 and len(shown) <= 40:
            print(f"  {index}: {one.outcome.value}: {one.kind}: {one.case}\n      {one.detail}")
    if result.bad:
        file = (failures or FAILURES) / f"{battery.name}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = (
            json.dumps({"battery": battery.name, "seed": seed}) + _line(i, one)
            for i, one in result.bad.items()
        )
        file.write_text("\n".join(row.replace("}{", ", ", 1) for row in rows) + "\n")
        print(
            f"  all {len(result.bad)} bad cases: {file}; to repeat one: "
            f"python -m tests.fuzz.{battery.name} --seed {seed} --only INDEX"
        )
    if not result.complete:
        print(f"  cut off: {len(result.judged):,} of {result.planned:,} cases; raise --seconds")
    return not result.bad and result.complete


def main(batteries: Sequence[Battery], arguments: Sequence[str] | None = None) -> int:
    """The command of some batteries; exit code 1 where a case is bad or was not reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, help="by default the whole battery")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for each battery")
    parser.add_argument("--only", type=int, nargs="+", help="these cases alone")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    good = True
    for battery in batteries:
        begun = time.monotonic()
        jobs = 1 if given.only else max(1, given.jobs)
        result = run(battery, given.cases, given.seed, jobs, given.seconds, given.only)
        good &= report(battery, result, given.seed)
        print(f"  {time.monotonic() - begun:.0f} s\n", flush=True)
    return 0 if good else 1
