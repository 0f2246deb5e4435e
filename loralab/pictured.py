"""What a family's figures and tables are made of, kept in the repository beside its record:
evidence/data/<family>.json.xz, so that a clone and a wheel have the whole report at once.
"""

import json
import lzma
from dataclasses import asdict, replace

from loralab.code import ROOT
from loralab.files import whole
from loralab.store import Run

FOLDER = ROOT / "evidence" / "data"
SHOWN = ("data", "tables")  # of the result of a family's run


def write(run: Run) -> None:
    """Keep what this run of a family shows, in place of what was kept of it before; the same run
    makes the same bytes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    shown = replace(run, result={name: run.result[name] for name in SHOWN})
    with whole(FOLDER / f"{run.family}.json.xz") as partial:
        text = json.dumps(asdict(shown), separators=(",", ":"))
        partial.write_bytes(lzma.compress(text.encode()))


def read(family: str) -> Run | None:
    """What is kept of a family, as a run with no more than this; None where there is nothing."""
    file = FOLDER / f"{family}.json.xz"
    return Run(**json.loads(lzma.decompress(file.read_bytes()))) if file.is_file() else None


def shows_more(run: Run) -> bool:
    """Whether a run was made after the one of its family that is kept, and shows by name all that
    this one does."""
    kept = read(run.family)
    if kept is None or run.finished < kept.finished:
        return False
    return run.result["data"].keys() >= kept.result["data"].keys()
