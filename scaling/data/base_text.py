"""Running text of the kind that a base model knew, on which a run says what it forgets.

By default English prose that every Python has: the chapters of its language reference on objects
and on exceptions, which lie in the standard library as topics of `help()`. It differs a little
between releases of Python, so its hash is recorded; one sweep compares on one text.
"""

import hashlib
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from scaling.core.config import Config
from scaling.core.records import check_columns
from scaling.data.data_files import read
from scaling.tasks import find

PROSE = "pydoc_data.topics"
CHAPTERS = ("objects", "exceptions")
NONE = "none"  # in place of a file's name: nothing is measured


class BaseText(NamedTuple):
    """A text, where it is from, and its SHA-256."""

    source: str
    text: str
    sha256: str


def base_text(config: Config) -> BaseText | None:
    """The text of the config's `remember`, None where it is "none" or the task's models know no
    such text: a .txt file whole, of any other data file the column "text", record after record.

    Raises: ValueError for a file that is missing, is none of these, or holds no text; and for one
        that the task has no use for.
    """
    named, task = config.data.remember, config.data.task
    if named == NONE:
        return None
    if not find(task).remembers:
        if named is None:
            return None
        raise ValueError(f"remember is for language models, task causal_lm, got task {task!r}")
    text = _prose() if named is None else _of_file(named)
    source = f"Python's language reference ({', '.join(CHAPTERS)})" if named is None else named
    return BaseText(source, text, hashlib.sha256(text.encode()).hexdigest())


def _prose() -> str:
    try:
        topics: Mapping[str, str] = importlib.import_module(PROSE).topics
        return "\n\n".join(topics[name] for name in CHAPTERS)
    except (ImportError, KeyError) as error:
        raise ValueError(
            f"this Python has no {PROSE} with the text that a base model is asked for: pass "
            f"--remember a file, or {NONE}"
        ) from error


def _of_file(named: str) -> str:
    file = Path(named)
    if file.suffix == ".txt":
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ValueError(f"remember: {named} cannot be read: {why}") from error
    else:
        try:
            records = next(iter(read(named).values()))
            check_columns(records, ["text"], ["text"], flag=None)
        except ValueError as error:
            raise ValueError(f"remember: {error}") from error
        text = "\n\n".join(str(record["text"]) for record in records)
    if not text.strip():
        raise ValueError(f"remember: {named} holds no text")
    return text
