"""Data files and data sets of the hub as lists of records; whatever is wrong is one sentence."""

import json
import math
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from scaling.core.config import Config
from scaling.core.quiet import quiet
from scaling.core.task import Data, Record, Row, place

Parts = tuple[list[Record], list[Record]]  # for training, for the test
PART = 10  # of the training data that comes without test data one part is held out


def read(source: str) -> dict[str, list[Record]]:
    """The records of a source by split: those of a file are all "train".

    A .jsonl, .parquet or .csv file has its own; any other text file one {"text": ...} a line that
    is not blank. A folder, and a name on the hub (name:subset), is read by the library datasets,
    its classes by their names and its images as {"bytes", "path"}. Each record knows the line or
    row that it was read from. Raises ValueError for what is missing, empty or not what its name
    says.
    """
    file, known = Path(source), (".jsonl", ".parquet", ".csv", ".txt")
    if not file.exists() and (file.suffix in known or file.is_absolute()):
        raise ValueError(f"there is no data file {file}")
    try:
        splits = {"train": _records(file)} if file.is_file() else _data_set(source)
    except Exception as error:  # of many libraries, each with errors of its own
        where = (
            ""
            if file.exists()
            else " (no such file or folder, and not on the hub or it is unreachable)"
        )
        raise ValueError(
            f"{source} cannot be read{where}: {' '.join(str(error).split())[:300]}"
        ) from error
    for records in splits.values():
        if not records:
            raise ValueError(f"{source} holds no records")
    return splits


def one_a_line(config: Config) -> str:
    """What there is to say about the training data where they have fewer records than expected."""
    plain = Path(config.data.train or "").suffix == ".txt"
    return " (a .txt file has one a line)" if plain else ""


def _records(file: Path) -> list[Record]:
    if file.suffix in (".parquet", ".csv"):
        import pandas  # with the extra llm, and slow to load

        table = pandas.read_parquet(file) if file.suffix == ".parquet" else pandas.read_csv(file)
        return [
            Row({name: _given(cell) for name, cell in record.items()}, f"row {number} of {file}")
            for number, record in enumerate(table.to_dict("records"), 1)
        ]
    found: list[Record] = []
    # not at the other line ends that JSON may hold
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), 1):
        if line.strip():
            where = f"line {number} of {file}"
            record = _object(line, where) if file.suffix == ".jsonl" else {"text": line.strip()}
            found.append(Row(record, where))
    return found


def _given(cell: Any) -> Any:
    """What a cell of a table holds; one without a value is NaN in pandas."""
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def _object(line: str, where: str) -> Record:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} is not JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise ValueError(f"{where} is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError(
            f"{where} must be an object with named columns, got a {type(value).__name__}"
        )
    return value


def _data_set(source: str) -> dict[str, list[Any]]:
    import datasets

    name, _, subset = source.partition(":")
    datasets.disable_progress_bars()
    splits = {}
    with quiet():
        found = datasets.load_dataset(name, subset or None)
    for split, table in found.items():
        classes = {n: f for n, f in table.features.items() if isinstance(f, datasets.ClassLabel)}
        for column, feature in table.features.items():
            if isinstance(feature, datasets.Image):
                table = table.cast_column(column, datasets.Image(decode=False))
        records = [
            Row(dict(record), f"row {number} of {source}, split {split}")
            for number, record in enumerate(table, 1)
        ]
        for record in records:
            named = {n: record[n] for n in classes if record[n] is not None and record[n] >= 0}
            record.update({n: classes[n].int2str(number) for n, number in named.items()})
        splits[str(split)] = records
    return splits


def parts(
    config: Config, embedded: Callable[[], tuple[list[Record], list[Record]]]
) -> tuple[list[Record], list[Record]]:
    """Training and test records: of the config's sources or, where it names none, the task's
    own. There are none for the test where the only record is trained on."""
    source, test_source = config.data.train, config.data.test
    if source is None:
        if test_source is not None:
            raise ValueError("test data need training data: pass --train too")
        train, test = embedded()
        return split_by_column(config, [*train, *test]) if config.data.hold_out else (train, test)
    splits = read(source)
    train = splits.get("train") or next(iter(splits.values()))
    if config.data.hold_out:
        return split_by_column(config, train)
    if test_source in splits:
        return train, splits[test_source]
    if test_source is not None:
        there = read(test_source)
        return train, there.get("test") or next(iter(there.values()))
    if "test" in splits:
        return train, splits["test"]
    if len(train) < 2:
        return train, []  # enough for an initialization
    random.Random(config.seed).shuffle(train)
    held = max(1, len(train) // PART)
    return train[held:], train[:held]


def split_by_column(config: Config, records: Sequence[Record]) -> Parts:
    """The records without and those with one of the held-out values; raises ValueError where either
    are none."""
    column, *values = config.data.hold_out
    check_columns(records, [column])
    train, test = [], []
    for record in records:
        (test if str(record[column]) in values else train).append(record)
    if absent := [
        value for value in values if not any(str(record[column]) == value for record in test)
    ]:
        known = ", ".join(sorted({str(record[column]) for record in records})[:20])
        raise ValueError(f"hold_out: no record has {absent[0]!r} in {column!r}; there are {known}")
    if not train:
        raise ValueError(
            f"hold_out: every record has one of {', '.join(values)} in {column!r}, and none is left"
        )
    return train, test


def check_columns(
    records: Sequence[Record], columns: Sequence[str], texts: Sequence[str] = ()
) -> None:
    """Raise ValueError naming the first column that a record lacks, or has no value in, or one of
    these `texts` in which it holds neither a text nor a number but a list of turns, say."""
    for number, record in enumerate(records, 1):
        for column in columns:
            where, value = place(record, number), record.get(column)
            if value is None:
                raise ValueError(
                    f"{where} has no "
                    + (
                        f"value in {column!r}"
                        if column in record
                        else f"column {column!r}; it has {', '.join(map(repr, record))}"
                    )
                )
            if column in texts and isinstance(value, Iterable) and not isinstance(value, str):
                raise ValueError(
                    f"{where} has a {type(value).__name__} in {column!r}, which must be a text or "
                    "a number"
                )


def limited(config: Config, data: Data) -> Data:
    return data._replace(test=data.test[: config.data.limit])
