"""The folder of a run: whose it is, whether it has finished, where to go on."""

import json
import shutil
from pathlib import Path
from typing import Any

from scaling.core.outputs import METRICS, RUN, write_json

HOW = ("micro_batch", "sharded")  # is trained, not what: a run may go on with another


def check_folder(
    folder: Path, settings: dict[str, Any], resume: bool, force: bool
) -> dict[str, Any] | None:
    """Look whether a run of these settings may have the folder; gives its result where it has
    finished already.

    Raises ValueError where it holds another run, or one that was cut off and is neither to be
    resumed nor replaced.
    """
    if force and resume:
        raise ValueError("--resume goes on with a run and --force begins it anew: pass one of them")
    record = folder / RUN
    if force and record.is_file():
        shutil.rmtree(folder)
    if record.is_file():
        earlier = json.loads(record.read_text())
        if changed := [n for n in settings if earlier.get(n) != settings[n] and n not in HOW]:
            raise ValueError(
                f"{folder} holds a run with another {changed[0]} ({earlier.get(changed[0])!r}); "
                "choose another --out, "
                "or pass --force"
            )
        if (folder / METRICS).is_file():
            return json.loads((folder / METRICS).read_text())
        if not resume:
            raise ValueError(
                f"{folder} holds this run unfinished; pass --resume to go on, or --force to begin "
                "anew"
            )
    elif resume:
        raise ValueError(f"there is no run to resume in {folder}")
    elif folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty and holds no run; choose another --out")
    return None


def mark(folder: Path, settings: dict[str, Any]) -> None:
    """Write down whose the folder is: when training begins, so that a mistake in the input leaves
    nothing behind."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / RUN, settings)
