"""Training examples from data that do not fit in memory: read, and made into examples, as they are
trained on.

Rows are drawn from a buffer, held as they stand in the file; a row is parsed and tokenised when it
is its turn. The order of an epoch is a function of the seed, the epoch and the size of the buffer.
So a place in it is a few numbers, and a run that was killed goes on at the next example: the rows
before are read again, and neither parsed nor tokenised. When the data end the next epoch begins, in
another order; a batch may hold the end of one and the beginning of the next.

All processes read the same order. Row i is that of process i mod their number, so where every row
is an example they train on the batches of one process.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from torch.utils.data import IterableDataset

from scaling.core.config import Config
from scaling.core.outputs import Damaged, read_json, write_json
from scaling.core.records import Record
from scaling.data.rows import Rows, one_a_line

HELD = 200  # first records that are evaluated on, and then those of validation
HEAD = 256  # records after these that are looked at before training
FILE = "stream_{}.json"  # of a process, in a checkpoint
Item = TypeVar("Item")
Make = Callable[[Record, list[int]], tuple[list[Record], list[int]]]


class Place(NamedTuple):
    """How far a process is.

    Args:
        epoch: how often the data have ended.
        before: rows of the epochs before, of all processes.
        taken: rows of this epoch that are done with, of all processes.
        rest: tokens left over from them, which go before those of the next row.
        made: examples already given of the next row.
        given: examples given since training began.
    """

    epoch: int = 0
    before: int = 0
    taken: int = 0
    rest: list[int] = []  # noqa: RUF012  # never changed
    made: int = 0
    given: int = 0


@dataclass(eq=False)
class Stream(IterableDataset):
    """The examples of one process, without an end; `place` is behind the last one given.

    Args:
        rows: the training data.
        skip: of their rows the first ones, which are not trained on.
        make: of (record, rest): the examples that a record makes with the tokens left over before
            it, and the tokens that are then left over.
        buffer: rows that are held to draw from.
        seed: of the order.
        part: the number of this process and how many there are.
        note: told once that the data have ended.
        place: where to begin.

    Raises, when it is gone through: ValueError for a row that is none, where it is its turn, and
        for data with no row or with fewer than when they were read before.
    """

    rows: Rows
    skip: int
    make: Make
    buffer: int
    seed: int
    part: tuple[int, int] = (0, 1)
    note: Callable[[str], None] = print
    place: Place = Place()  # noqa: RUF009  # immutable

    def at(self, place: Place) -> "Stream":
        """The same stream from another place."""
        return replace(self, place=place)

    def alone(self) -> "Stream":
        """From its beginning, with the examples of all processes."""
        return replace(self, place=Place(), part=(0, 1))

    def __iter__(self) -> Iterator[Record]:
        while True:
            yield from self.epoch()
            if self.place.epoch == 1:
                self.note(
                    f"all {self.place.before:,} records of {self.rows.source} were read, and come "
                    "again in another order"
                )

    def epoch(self) -> Iterator[Record]:
        """The examples up to the end of the data."""
        epoch, before, taken, rest, made, given = self.place
        process, of = self.part
        rows = islice(self.rows.each(), self.skip, None)
        # of a text, which is hashed: Random(3) and Random(3 + 2**33) draw the same
        order = shuffled(rows, self.buffer, random.Random(f"{self.seed} {epoch}"))
        if sum(1 for _ in islice(order, taken)) < taken:
            raise ValueError(f"{self.rows.source} has fewer records than it had before")
        for number, row in order:
            if (before + taken) % of == process:
                examples, left = self.make(self.rows.record(number, row), rest)
                for example in examples[made:]:
                    made, given = made + 1, given + 1
                    self.place = (
                        Place(epoch, before, taken + 1, left, 0, given)
                        if made == len(examples)
                        else Place(epoch, before, taken, rest, made, given)
                    )
                    yield example
                rest, made = left, 0
            taken += 1
        if not taken:
            raise ValueError(f"{self.rows.source} has no records to train on any more")
        self.place = Place(epoch + 1, before + taken, 0, rest, 0, given)


def shuffled(items: Iterable[Item], buffer: int, rng: random.Random) -> Iterator[Item]:
    """Each item once, drawn from a buffer that the next one then fills up. No more are held than
    the buffer and the one that is given; with as many as there are items every order is equally
    likely."""
    held: list[Item] = []
    for item in items:
        if len(held) < buffer:
            held.append(item)
        else:
            i = rng.randrange(buffer)
            item, held[i] = held[i], item
            yield item
    rng.shuffle(held)
    while held:
        yield held.pop()


def held_out(config: Config, test: Rows | None) -> tuple[int, int]:
    """How many of the first records are evaluated on, and how many after these are validated on."""
    tested = 0 if test is not None else config.data.limit or HELD
    return tested, validated(config)


def validated(config: Config) -> int:
    """How many records are validated on: no more than are evaluated on, where that is limited."""
    most = min(HELD, config.data.limit or HELD)
    return 0 if config.training.validate_every is None else most


def beginning(config: Config, rows: Rows, test: Rows | None) -> tuple[list[Record], list[Record]]:
    """What is read before training: the records of validation and `HEAD` after them, and those to
    evaluate on, which are the first ones where `test` is None."""
    tested, more = held_out(config, test)
    first: list[Record] = [*rows.records(tested + more + HEAD)]
    if len(first) <= tested + more:
        raise ValueError(
            f"{rows.source} has {len(first)} records{one_a_line(rows.source)}, and streaming holds "
            f"out the first {tested + more}, {tested} of them to evaluate on and {more} for "
            "validation: pass --test or a smaller --limit, or read the data without --streaming"
        )
    examined = first[:tested] if test is None else [*test.records(config.data.limit)]
    if not examined:
        assert test is not None
        raise ValueError(f"{test.source} holds no records")
    return first[tested:], examined  # type: ignore[return-value]


def write(stream: Stream, folder: Path) -> None:
    """Where a process is, into a checkpoint."""
    process, of = stream.part
    write_json(folder / FILE.format(process), stream.place._asdict() | {"processes": of})


def read(folder: Path, process: int, of: int) -> Place:
    """What `write` wrote; raises `Damaged` where it is none any more, and ValueError where it is of
    another number of processes."""
    first = read_json(folder / FILE.format(0), "processes")
    if first["processes"] != of:
        raise ValueError(
            f"the run has read its data on {first['processes']} processes, and can go on with as "
            f"many, not with {of}"
        )
    file = folder / FILE.format(process)
    kept = read_json(file, *Place._fields)
    place = Place(**{name: kept[name] for name in Place._fields})
    numbers = [*place._replace(rest=0), *(place.rest if isinstance(place.rest, list) else [None])]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise Damaged(file, "it holds no place in the data")
    return place
