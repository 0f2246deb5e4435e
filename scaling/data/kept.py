"""Records that take seconds to read, kept on this machine: the next run has them at once.

A file of runs/records says first what the rest must hash to, so one that is cut off or changed is
made anew. It appears whole, and is the same whoever writes it, so processes need no lock.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from loralab.code import home
from loralab.files import write_text


def kept(name: str, made_of: Any, make: Callable[[], Any]) -> Any:
    """What `make` gives, as JSON has it: read where it is kept, else made and kept, unless the
    folder cannot be written.

    Args:
        name: the beginning of the file's name.
        made_of: all that the records depend on, JSON-like.
        make: reads the records.
    """
    file = home() / "runs" / "records" / f"{name}-{_hash(json.dumps(made_of))[:12]}.json"
    if (text := _sound(file)) is None:
        text = json.dumps(make())
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_text(file, f"{_hash(text)}\n{text}")
    return json.loads(text)


def _sound(file: Path) -> str | None:
    """The records of a file; None where it is not there, or not what was written."""
    try:
        first, _, text = file.read_bytes().partition(b"\n")
    except OSError:
        return None
    return text.decode() if first.decode(errors="replace") == _hash(text) else None


def _hash(text: str | bytes) -> str:
    return hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()
