"""Records of data, and which of their columns are wanted.

Importing this file loads no torch, so that a wrong column of a file is said at once.
"""

from collections.abc import Iterable, Sequence
from typing import Any

Record = dict[str, Any]


class Row(dict[str, Any]):
    """A record that knows where it was read, the line or row `number` of `source`."""

    def __init__(self, record: Record, unit: str, number: int, source: str) -> None:
        super().__init__(record)
        self.unit, self.number, self.source = unit, number, source

    @property
    def where(self) -> str:
        return f"{self.unit} {self.number} of {self.source}"

    def __or__(self, other: Record) -> "Row":  # type: ignore[override]
        return Row(dict(self) | other, self.unit, self.number, self.source)


def place(record: Record, number: int) -> str:
    """Where a record is to be found: in its file, or as the number that it has among others."""
    return record.where if isinstance(record, Row) else f"record {number}"


def check_columns(
    records: Sequence[Record],
    columns: Sequence[str],
    texts: Sequence[str] = (),
    flag: str | None = "--columns",
) -> None:
    """Raise ValueError naming a column that no record has, or else the first record in its file
    that lacks a column, or has no value in it, or holds in one of these `texts` neither a text nor
    a number but a list of turns, say. `flag` is where a user names other columns."""
    for column in columns:
        bad = [
            (record.number if isinstance(record, Row) else number, place(record, number), record)
            for number, record in enumerate(records, 1)
            if (value := record.get(column)) is None or (column in texts and _several(value))
        ]
        if not bad:
            continue
        _, where, record = min(bad, key=lambda one: one[0])
        if column in record and record[column] is not None:
            raise ValueError(
                f"{where} has a {type(record[column]).__name__} in {column!r}, which must be a "
                "text or a number"
            )
        if column in record:
            raise ValueError(f"{where} has no value in {column!r}")
        known = ", ".join(map(repr, record)) + (f"; {flag} names the columns" if flag else "")
        if len(records) > 1 and not any(column in record for record in records):
            where = f"no record of {record.source}" if isinstance(record, Row) else "no record"
            raise ValueError(f"{where} has a column {column!r}; they have {known}")
        raise ValueError(f"{where} has no column {column!r}; it has {known}")


def _several(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str)
