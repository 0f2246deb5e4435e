"""Data files and data sets of the hub as lists of records; whatever is wrong is one sentence."""

import random
from collections.abc import Callable, Sequence

from scaling.core.config import Config
from scaling.core.records import Record, check_columns
from scaling.core.task import Data
from scaling.data.rows import Rows, opened
from scaling.data.streaming import beginning

Parts = tuple[list[Record], list[Record]]  # for training, for the test
PART = 10  # of the training data that comes without test data one part is held out


def read(source: str) -> dict[str, list[Record]]:
    """All records of a source by split, as `rows.opened` has them. Raises ValueError for what is
    missing, empty or not what its name says."""
    return {split: _all(rows) for split, rows in opened(source).items()}


def _all(rows: Rows) -> list[Record]:
    if records := [*rows.records()]:
        return records  # type: ignore[return-value]
    raise ValueError(f"{rows.source} holds no records")


def chosen(config: Config) -> tuple[Rows, Rows | None]:
    """Of the config's sources what is trained on and, where it names any or there is a split
    "test", what is evaluated on."""
    source, test_source, streaming = config.data.train, config.data.test, config.data.streaming
    assert source is not None
    splits = opened(source, streaming)
    train = splits.get("train") or next(iter(splits.values()))
    if test_source is None:
        return train, splits.get("test")
    there = splits if test_source in splits else opened(test_source, streaming)
    return train, there.get(test_source) or there.get("test") or next(iter(there.values()))


def parts(
    config: Config, embedded: Callable[[], tuple[list[Record], list[Record]]]
) -> tuple[list[Record], list[Record]]:
    """Training and test records: of the config's sources or, where it names none, the task's
    own. There are none for the test where the only record is trained on."""
    if config.data.train is None:
        if config.data.test is not None:
            raise ValueError("test data need training data: pass --train too")
        train, test = embedded()
        return split_by_column(config, [*train, *test]) if config.data.hold_out else (train, test)
    rows, test_rows = chosen(config)
    if config.data.streaming:
        return beginning(config, rows, test_rows)
    train = _all(rows)
    if config.data.hold_out:
        return split_by_column(config, train)
    if test_rows is not None:
        return train, _all(test_rows)
    if len(train) < 2:
        return train, []  # enough for an initialization
    random.Random(config.seed).shuffle(train)
    held = max(1, len(train) // PART)
    return train[held:], train[:held]


def split_by_column(config: Config, records: Sequence[Record]) -> Parts:
    """The records without and those with one of the held-out values; raises ValueError where either
    are none."""
    column, *values = config.data.hold_out
    check_columns(records, [column], flag="--hold-out")
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


def limited(config: Config, data: Data) -> Data:
    return data._replace(test=data.test[: config.data.limit])
