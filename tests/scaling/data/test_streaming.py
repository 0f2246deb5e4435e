"""A stream of examples: each once an epoch, in bounded memory, and every place is found again."""

import json
import random
import tracemalloc
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from scaling.core.outputs import Damaged
from scaling.data import streaming
from scaling.data.rows import Rows, opened
from scaling.data.streaming import FILE, Place, Stream, shuffled

LENGTH = 5  # of a block


def one_each(record: dict, rest: list[int]) -> tuple[list[dict], list[int]]:
    return [record], rest


def blocks(record: dict, rest: list[int]) -> tuple[list[dict], list[int]]:
    """As texts are cut: record i is i tokens, so some make no block and some make several."""
    ids = [*rest, *[record["i"]] * record["i"]]
    whole = len(ids) - len(ids) % LENGTH
    return [{"ids": ids[at : at + LENGTH]} for at in range(0, whole, LENGTH)], ids[whole:]


def stream_of(folder: Path, count: int, make=one_each, buffer: int = 7, **more) -> Stream:
    file = folder / "some.jsonl"
    file.write_text("".join(json.dumps({"i": i}) + "\n" for i in range(count)))
    return Stream(opened(str(file), True)["train"], 0, make, buffer, 3, note=lambda _: None, **more)


@pytest.mark.parametrize("buffer", [1, 7, 50, 1000])
def test_an_epoch_has_every_record_once_and_the_next_one_another_order(tmp_path, buffer):
    numbers = [one["i"] for one in islice(stream_of(tmp_path, 50, buffer=buffer), 150)]
    epochs = [numbers[at : at + 50] for at in (0, 50, 100)]
    assert all(sorted(epoch) == [*range(50)] for epoch in epochs)
    assert len({*map(tuple, epochs)}) == (1 if buffer == 1 else 3)
    assert (epochs[0] == [*range(50)]) == (buffer == 1)


def test_with_a_buffer_of_all_items_every_order_is_equally_likely():
    rng, draws = random.Random(0), 24_000
    found = Counter(tuple(shuffled("abcd", 4, rng)) for _ in range(draws))
    assert len(found) == 24
    # chi-squared with 23 degrees of freedom exceeds 53 with probability 4e-4
    assert sum((n - 1000) ** 2 / 1000 for n in found.values()) < 53


def test_no_more_rows_are_held_than_the_buffer_and_none_is_parsed_before_its_turn():
    read = parsed = most = 0

    def each():
        nonlocal read, most
        for number in range(20_000):
            read += 1
            most = max(most, read - given)
            yield number, b"{}"

    def record(number, row):
        nonlocal parsed
        parsed += 1
        return {"i": number}

    given = 0
    for _ in Stream(Rows("rows", each, record), 0, one_each, 64, 0).epoch():  # type: ignore[arg-type]
        given += 1
        assert parsed == given
        assert read <= given + 64
    assert given == 20_000
    assert most == 64 + 1, "the buffer, and the row that comes as another one goes"


def test_a_file_is_never_held(tmp_path):
    stream, file = stream_of(tmp_path, 10, buffer=100), tmp_path / "some.jsonl"
    file.write_text(f"{json.dumps({'text': 'x' * 500})}\n" * 10_000)
    size = file.stat().st_size
    tracemalloc.start()
    assert sum(1 for _ in stream.epoch()) == 10_000
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < size / 10, "a hundred lines of 0.5 kB, and the 128 kB that Python reads ahead"


def test_of_a_parquet_file_no_more_than_a_few_groups_of_rows_are_held(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet, rng = pytest.importorskip("pyarrow.parquet"), random.Random(0)
    table = pyarrow.table({"text": [rng.randbytes(100).hex() for _ in range(20_000)]})
    parquet.write_table(table, tmp_path / "some.parquet", row_group_size=1000, compression="none")
    del table
    before, size = pyarrow.total_allocated_bytes(), (tmp_path / "some.parquet").stat().st_size
    rows = opened(str(tmp_path / "some.parquet"), True)["train"].each()
    most = max(pyarrow.total_allocated_bytes() - before for _ in rows)
    assert most < size / 4, "of twenty groups; all are held with pre_buffer"


@pytest.mark.parametrize("buffer", [1, 9, 100])
def test_blocks_are_those_of_all_tokens_in_the_same_order_without_a_loss(tmp_path, buffer):
    order = [one["i"] for one in islice(stream_of(tmp_path, 30, buffer=buffer), 90)]
    tokens = [i for i in order for _ in range(i)]
    stream = stream_of(tmp_path, 30, blocks, buffer)
    found = [one["ids"] for one in islice(stream, len(tokens) // LENGTH)]
    assert found == [tokens[at : at + LENGTH] for at in range(0, len(tokens) - LENGTH + 1, LENGTH)]


@pytest.mark.parametrize("part", [(0, 1), (0, 2), (1, 3)])
@pytest.mark.parametrize("make", [one_each, blocks])
def test_a_stream_goes_on_from_every_place_and_makes_nothing_of_what_is_skipped(
    tmp_path, make, part
):
    stream = stream_of(tmp_path, 23, make, part=part)
    whole, places = [], [stream.place]
    for one in islice(stream, 120):
        whole.append(one)
        places.append(stream.place)
    assert [place.given for place in places] == [*range(121)]
    assert places[-1].epoch > 1
    for done, place in enumerate(places):
        made = []

        def counted(record, rest, made=made):
            made.append(record)
            return make(record, rest)

        kept = Place(**json.loads(json.dumps(place._asdict())))  # as a checkpoint has it
        ahead = [*islice(replace(stream, place=kept, make=counted), 3)]
        assert ahead == [*whole[done:], *ahead[120 - done :]][:3]
        if make is one_each:
            assert len(made) == 3


@pytest.mark.parametrize("of", [2, 3])
def test_processes_share_out_the_order_of_one(tmp_path, of):
    alone = [one["i"] for one in islice(stream_of(tmp_path, 25), 120)]
    shares = [
        [one["i"] for one in islice(stream_of(tmp_path, 25, part=(process, of)), 120 // of)]
        for process in range(of)
    ]
    assert [[*group] for group in zip(*shares, strict=True)] == [
        alone[at : at + of] for at in range(0, 120, of)
    ]


def test_that_the_data_came_to_an_end_is_said_once(tmp_path):
    said = []
    stream = replace(stream_of(tmp_path, 10), skip=2, note=said.append)
    assert not [one for one in islice(stream, 8) if one["i"] < 2]
    assert said == []
    assert len([*islice(stream.at(Place()), 40)]) == 40
    file = tmp_path / "some.jsonl"
    assert said == [f"all 8 records of {file} were read, and come again in another order"]


def broken(folder: Path, line: bytes) -> Stream:
    stream = stream_of(folder, 40, buffer=1)
    file = folder / "some.jsonl"
    lines = file.read_bytes().split(b"\n")
    file.write_bytes(b"\n".join([*lines[:20], line, *lines[20:]]))
    return stream


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b'{"i": 1', "is not JSON: Expecting ',' delimiter at column 8"),
        (b"[1]", "must be an object with named columns, got a list"),
        (b'{"i": "\xff"}', "is not UTF-8"),
    ],
)
def test_a_broken_line_is_named_when_it_is_reached(tmp_path, line, sentence):
    stream = iter(broken(tmp_path, line))
    assert [one["i"] for one in islice(stream, 20)] == [*range(20)]
    with pytest.raises(ValueError, match=f"^line 21 of {tmp_path / 'some.jsonl'} ") as caught:
        next(stream)
    assert str(caught.value).endswith(sentence)


def test_blank_lines_are_no_records_and_count_as_lines(tmp_path):
    stream = broken(tmp_path, " \u3000\n\n{".encode())
    with pytest.raises(ValueError, match=r"^line 23 of "):
        list(islice(stream, 40))


def test_data_that_became_shorter_or_empty_are_one_sentence(tmp_path):
    stream = stream_of(tmp_path, 10)
    assert len([*islice(stream, 8)]) == 8
    with pytest.raises(ValueError, match="has fewer records than it had before"):
        next(iter(stream_of(tmp_path, 5, place=stream.place)))
    with pytest.raises(ValueError, match="has no records to train on any more"):
        next(iter(stream_of(tmp_path, 0)))


ROWS = [{"text": f"a\u2028b\u2029c\u0085d {i}", "n": "x" * (i % 3) or None} for i in range(2500)]


def write(folder: Path, kind: str) -> str:
    pandas = pytest.importorskip("pandas")
    file = folder / f"some.{kind}"
    if kind in ("jsonl", "folder"):
        file = (folder / "set" / "train.jsonl") if kind == "folder" else file
        file.parent.mkdir(exist_ok=True)
        lines = (json.dumps(row, ensure_ascii=False) for row in ROWS)
        file.write_text("".join(f"{line}\r\n" for line in lines), encoding="utf-8", newline="")
        return str(file.parent if kind == "folder" else file)
    table = pandas.DataFrame(ROWS)
    table.to_csv(file, index=False) if kind == "csv" else table.to_parquet(file)
    return str(file)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "folder"])
def test_every_kind_of_data_gives_the_same_records_streamed(tmp_path, kind):
    source = write(tmp_path, kind)
    for streamed in (False, True):
        records = [*opened(source, streamed)["train"].records()]
        assert records == ROWS
        assert records[1].where.removeprefix("line ").removeprefix("row ").startswith("2 of ")


def test_a_table_that_breaks_in_the_middle_is_one_sentence(tmp_path):
    file = tmp_path / "some.csv"
    file.write_text("a,b\n" + "1,2\n" * 3000 + "1,2,3\n")
    records = opened(str(file), True)["train"].records()
    assert len([*islice(records, 3000)]) == 3000
    with pytest.raises(ValueError, match=f"^{file} cannot be read: .*line 3002") as caught:
        next(records)
    assert "\n" not in str(caught.value)


def test_a_place_is_read_from_the_checkpoint_that_it_was_written_to(tmp_path):
    stream = stream_of(tmp_path, 23, blocks, part=(1, 2))
    assert len([*islice(stream, 33)]) == 33
    streaming.write(replace(stream, part=(0, 2)), tmp_path)
    streaming.write(stream, tmp_path)
    assert streaming.read(tmp_path, 1, 2) == stream.place
    with pytest.raises(ValueError, match="its data on 2 processes, and can go on with as many, no"):
        streaming.read(tmp_path, 0, 1)
    file = tmp_path / FILE.format(1)
    for wrong in ({"taken": -1}, {"rest": [1.5]}, {"rest": 3}, {"epoch": "1"}):
        file.write_text(json.dumps(stream.place._asdict() | wrong))
        with pytest.raises(Damaged, match="it holds no place in the data"):
            streaming.read(tmp_path, 1, 2)
    file.unlink()
    with pytest.raises(Damaged, match="No such file"):
        streaming.read(tmp_path, 1, 2)
