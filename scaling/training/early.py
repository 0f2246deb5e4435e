"""What can be known of a run before torch and transformers are loaded, which takes seconds: its
settings, and whether its model is nowhere, or its data are missing, empty or without a column."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_type_hints

from loralab.names import nearest
from loralab.values import fits
from scaling import tasks
from scaling.core.hub import on_hub
from scaling.core.records import check_columns
from scaling.core.settings import GROUPS, DataSettings, plain
from scaling.data.columns import check_count, columns_of
from scaling.data.rows import FILES, opened
from scaling.models import packaged


def check(settings: Mapping[str, Any], reads_data: bool = True) -> None:
    """Raise ValueError for a model or data of these settings, by name, that are not there, and for
    a file whose first record lacks one of the columns. What is neither a text nor a path is left to
    whoever takes objects."""
    named = {
        name: str(settings[name])
        for name in ("model", "train", "test")
        if isinstance(settings.get(name), str | Path)
    }
    if "model" in named:
        packaged.check_there(named["model"])
    given = settings.get("columns")
    columns = tuple(given) if isinstance(given, list | tuple) else ()
    task = str(settings.get("task") or DataSettings.task)
    tasks.check(task)
    check_count(task, columns)
    for name in ("train", "test") if reads_data else ():
        source = Path(named.get(name, ""))
        if source.is_file() or source.suffix in FILES or source.is_absolute():
            _check_first(str(source), task, columns)
        elif name == "train" and name in named and not source.exists():
            _check_data_set(named[name])  # a test may also be a split of it


def whole(settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """What `Config.of(**settings).as_json()` is, where that can be known without torch: of a run on
    data files, with an adapter of this library or none. Raises ValueError for a wrong value."""
    given = {name: plain(value) for name, value in settings.items()}
    hints = [get_type_hints(kind) for kind in GROUPS.values()]
    kinds = {name: hint for each in hints for name, hint in each.items()}
    if any(name not in kinds or not fits(kinds[name], value) for name, value in given.items()):
        return None
    if given.get("train") is None or given.get("peft") is not None:
        return None  # a task has defaults of its own, or a file says more
    found: dict[str, Any] = {}
    for kind in GROUPS.values():
        own = {f.name: given[f.name] for f in fields(kind) if f.name in given}
        found |= asdict(kind(**own))
    return json.loads(json.dumps(found))


def _check_data_set(source: str) -> None:
    if not on_hub(source.partition(":")[0], "dataset"):
        near = nearest(source, [str(file) for file in Path().iterdir() if file.suffix in FILES])
        raise ValueError(
            f"{source} cannot be read: there is no such file or folder, and it is not on the hub "
            f"or it is unreachable{near}"
        )


def _check_first(source: str, task: str, columns: tuple[str, ...]) -> None:
    if not Path(source).is_file() and Path(source).exists():
        return  # a folder, which the library datasets reads
    [rows] = opened(source, streaming=True).values()
    first = next(rows.records(1), None)
    if first is None:
        raise ValueError(f"{source} holds no records")
    check_columns([first], columns_of(task, columns, first))
