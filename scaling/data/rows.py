"""The rows of a data file or a data set, one after the other: none is kept, and none is parsed
before it is asked for."""

import csv
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from loralab.names import nearest
from scaling.core.quiet import quiet
from scaling.core.records import Record, Row

DELIMITERS = {".csv": ",", ".tsv": "\t"}
TEXTS = (".txt", ".md")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
FILES = (".jsonl", ".json", ".parquet", *DELIMITERS, *TEXTS)
AT_ONCE = 1000  # rows of .parquet that are read together
Each = Iterator[tuple[int, Any]]


class Rows(NamedTuple):
    """Rows that can be gone through again and again.

    Args:
        source: the file or data set.
        each: the number of each row and the row as it stands there, from the first; raises
            ValueError where the file cannot be read any further.
        record: of such a pair; raises ValueError, which begins with its place, where it is none.
    """

    source: str
    each: Callable[[], Each]
    record: Callable[[int, Any], Row]

    def records(self, most: int | None = None) -> Iterator[Row]:
        """The first ones, by default all."""
        return (self.record(*row) for row in islice(self.each(), most))


def one_a_line(source: str | None) -> str:
    """What there is to say about data where they have fewer records than expected."""
    return " (a .txt file has one a line)" if Path(source or "").suffix in TEXTS else ""


def number_in(record: Record, column: str) -> float | None:
    """What a record has in a column as a number, None where it is none: from a .csv or .tsv file,
    whose cells are all text, the number that the text is."""
    value = record[column]
    if isinstance(value, int | float):
        return None if isinstance(value, bool) else value
    table = isinstance(record, Row) and Path(record.source).suffix in DELIMITERS
    if not (table and isinstance(value, str) and NUMBER.fullmatch(value)):
        return None
    return int(value) if value.lstrip("+-").isdigit() else float(value)


def opened(source: str, streaming: bool = False) -> dict[str, Rows]:
    """The rows of a source by split: those of a file are all "train".

    A .jsonl, .parquet, .csv or .tsv file has its own, a .json file those of a list; a .txt or .md
    file has one {"text": ...} a line that is not blank. A cell of .csv and .tsv is the text that
    stands there, None where it is empty. A folder, and a name on the hub (name:subset), is read by
    the library datasets, its classes by their names and its images as {"bytes", "path"}. Each
    record knows the line or row that it was read from.

    Args:
        source: the file, folder or name.
        streaming: never hold all of it: of .parquet a group of rows is.

    Raises: ValueError for what is missing or not what its name says.
    """
    file = Path(source)
    if not file.exists() and (file.suffix in FILES or file.is_absolute()):
        beside = [str(each) for each in file.parent.glob("*") if each.suffix in FILES]
        raise ValueError(f"there is no data file {file}{nearest(str(file), beside)}")
    if not file.is_file():
        with _sentence(source):
            return _data_set(source, streaming)

    if file.suffix not in FILES:
        raise ValueError(f"{file} must be one of {', '.join(FILES)}, by its name")
    if streaming and file.suffix == ".json":
        raise ValueError(f"{file} cannot be streamed: a .jsonl file, one record a line, can")

    def record(number: int, given: Any) -> Row:
        unit = "line" if isinstance(given, bytes) else "row"
        return Row(_parsed(file, given, f"{unit} {number} of {file}"), unit, number, str(file))

    def each() -> Each:
        with _sentence(source):
            yield from _each(file)

    return {"train": Rows(source, each, record)}


@contextmanager
def _sentence(source: str) -> Iterator[None]:
    """Turns what goes wrong in many libraries, each with errors of its own, into a ValueError."""
    try:
        yield
    except Exception as error:
        where = (
            ""
            if Path(source).exists()
            else " (no such file or folder, and not on the hub or it is unreachable)"
        )
        raise ValueError(
            f"{source} cannot be read{where}: {' '.join(str(error).split())[:300]}"
        ) from error


def _each(file: Path) -> Each:
    if file.suffix == ".parquet":
        yield from enumerate(_of_parquet(file), 1)
    elif file.suffix in DELIMITERS:
        yield from enumerate(_of_table(file), 1)
    elif file.suffix == ".json":
        yield from enumerate(_of_list(file), 1)
    else:
        with file.open("rb") as lines:  # which ends lines at "\n" alone: JSON may hold other ends
            for number, line in enumerate(lines, 1):
                if line.decode(errors="replace").strip():
                    yield number, line


def _of_parquet(file: Path) -> Iterator[Record]:
    from pyarrow.parquet import ParquetFile  # with the extra llm

    with ParquetFile(file, pre_buffer=False) as table:  # its default holds all of it
        for rows in table.iter_batches(AT_ONCE):
            for row in rows.to_pylist():
                yield {name: None if _is_nan(cell) else cell for name, cell in row.items()}


def _is_nan(cell: Any) -> bool:
    return isinstance(cell, float) and math.isnan(cell)  # what pandas writes for no value


def _of_table(file: Path) -> Iterator[Record]:
    csv.field_size_limit(sys.maxsize)  # a cell may be a long text
    with file.open(encoding="utf-8-sig", newline="") as lines:
        table = csv.reader(lines, delimiter=DELIMITERS[file.suffix], strict=True)
        names = next(table, [])
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise ValueError(f"two columns are called {twice[0]!r}")
        for row in filter(None, _rows(table)):
            if len(row) > len(names):
                raise ValueError(
                    f"line {table.line_num} has {len(row)} cells, and there are {len(names)} "
                    "columns: a cell with the delimiter in it needs quotes"
                )
            cells = [cell or None for cell in row]
            yield dict(zip(names, cells + [None] * (len(names) - len(cells)), strict=True))


def _rows(table: Any) -> Iterator[list[str]]:
    """Those of a reader of the module csv, whose errors do not say where they are."""
    try:
        yield from table
    except csv.Error as error:
        raise ValueError(f"line {table.line_num}: {error}") from error


def _of_list(file: Path) -> Iterator[Any]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno} is not JSON: {_said(error)}") from error
    if not isinstance(rows, list):
        raise ValueError(f"it must hold a list of records, got a {type(rows).__name__}")
    yield from rows


def _parsed(file: Path, given: Any, where: str) -> Record:
    if not isinstance(given, bytes):
        return _named(given, where)
    try:
        line = given.decode("utf-8-sig").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{where} is not UTF-8") from error
    return _object(line, where) if file.suffix == ".jsonl" else {"text": line.strip()}


def _object(line: str, where: str) -> Record:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} is not JSON: {_said(error)}") from error
    except RecursionError as error:
        raise ValueError(f"{where} is nested too deeply") from error
    return _named(value, where)


def _said(error: json.JSONDecodeError) -> str:
    return f"{error.msg.removesuffix(' at')} at column {error.colno}"


def _named(value: Any, where: str) -> Record:
    if not isinstance(value, dict):
        raise ValueError(
            f"{where} must be an object with named columns, got a {type(value).__name__}"
        )
    return value


def _data_set(source: str, streaming: bool) -> dict[str, Rows]:
    import datasets

    name, _, subset = source.partition(":")
    datasets.disable_progress_bars()
    with quiet():
        found = datasets.load_dataset(name, subset or None, streaming=streaming)
    return {str(split): _of_split(source, str(split), table) for split, table in found.items()}


def _of_split(source: str, split: str, table: Any) -> Rows:
    import datasets

    features = table.features or {}  # some are known only when they are read
    classes = {n: f for n, f in features.items() if isinstance(f, datasets.ClassLabel)}
    for column, feature in features.items():
        if isinstance(feature, datasets.Image):
            table = table.cast_column(column, datasets.Image(decode=False))

    def each() -> Each:
        with _sentence(source):
            yield from enumerate(table, 1)

    def record(number: int, given: Record) -> Row:
        row = Row(dict(given), "row", number, f"{source}, split {split}")
        named = {n: row[n] for n in classes if row[n] is not None and row[n] >= 0}
        row.update({n: classes[n].int2str(number) for n, number in named.items()})
        return row

    return Rows(source, each, record)
