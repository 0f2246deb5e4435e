"""Finished trials of a long study, kept in the repository: evidence/trials/<family>.jsonl.xz.

A study on a pretrained model takes hours, and a machine can vanish. So its trials are written here
as they come, and a run begins with those that are here. A trial is taken for what it is, a result
of the code with its fingerprint: after an edit of that code it is a record, and is run again.
"""

import json
import lzma
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from loralab.code import ROOT
from loralab.files import whole
from loralab.store import Run, Store

FOLDER = ROOT / "evidence" / "trials"


def kept_here() -> bool:
    """Whether this is a checkout, and not an installed wheel."""
    return (ROOT / "pyproject.toml").is_file()


def file_of(family: str) -> Path:
    return FOLDER / f"{family}.jsonl.xz"


def export(family: str, runs: Iterable[Run]) -> int:
    """Add these runs to the file of a family, a line each in the order of their keys, so that the
    same runs make the same bytes.

    Returns: how many runs the file holds then.
    """
    lines = {run.key: run for run in [*read(family), *runs]}
    FOLDER.mkdir(parents=True, exist_ok=True)
    with whole(file_of(family)) as partial, lzma.open(partial, "wt", encoding="utf-8") as out:
        for _, run in sorted(lines.items()):
            out.write(json.dumps(asdict(run), separators=(",", ":")) + "\n")
    return len(lines)


def read(family: str) -> list[Run]:
    """The runs in the file of a family, none where there is no file."""
    file = file_of(family)
    if not file.is_file():
        return []
    with lzma.open(file, "rt", encoding="utf-8") as lines:
        return [Run(**json.loads(line)) for line in lines]


def restore(family: str, store: Store) -> int:
    """Put the runs of a family's file into the store, but for those that it has.

    Returns: how many were put there.
    """
    missing = [run for run in read(family) if store.get(run.key) is None]
    for run in missing:
        store.add(run)
    return len(missing)
