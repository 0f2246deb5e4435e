"""A model and data that a caller holds in Python, as files that a run can name.

A run is known by its settings, which are texts and numbers: so it is kept in the run store, found
again, resumed, and sent to the worker processes of a sweep. An object is therefore written once,
below runs/objects beside the run store, under a name made of its content, and the run is that of
those files: equal objects make the same run. The caller's objects are read and never changed. A
model that save_pretrained does not carry bit for bit is refused.
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loralab.code import home
from loralab.files import write_text
from scaling import tasks
from scaling.core.stages import announce
from scaling.training import early

if TYPE_CHECKING:
    from scaling.core.config import Config

NAMED = str | Path | None  # of what is on this machine or the hub already
RECORDS = "a list of records, a datasets.Dataset or a pandas.DataFrame"


def configured(
    config: "Config | None",
    settings: Mapping[str, Any],
    tokenizer: Any = None,
    reads_data: bool = True,
) -> "Config":
    """The run of a config, by default that without flags, and of what differs from it.

    Args:
        config: the run.
        settings: by name; `model`, `train` and `test` may be objects.
        tokenizer: of a model that is an object; a processor for images.
        reads_data: whether the command will, so that they must be there.

    Raises: ValueError for wrong settings, before any object is written, and for an object that
        cannot be.
    """
    objects = {
        name: settings[name]
        for name in ("model", "train", "test")
        if not isinstance(settings.get(name), NAMED)
    }
    early.check({**(config.flat() if config else {}), **settings}, reads_data)
    announce()
    # that something is there counts for the defaults of a task; its name comes below
    made = tasks.configured(config, {**settings, **dict.fromkeys(objects, "object")})
    if tokenizer is not None and "model" not in objects:
        raise ValueError("tokenizer is of a model object; a folder or a name has its own")
    lines = {name: _lines(name, objects[name]) for name in objects if name != "model"}
    files = {name: _write_lines(text) for name, text in lines.items()}
    if "model" in objects:
        files["model"] = _write_model(objects["model"], tokenizer)
    return made.replace(**files)


def _folder() -> Path:
    folder = home() / "runs" / "objects"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _lines(name: str, data: Any) -> str:
    """The records as JSON, one a line."""
    lines = []
    for number, record in enumerate(_records(name, data), 1):
        if not isinstance(record, dict):
            raise ValueError(
                f"{name}: record {number} must be a dict by column, such as {{'text': ...}}, got a "
                f"{type(record).__name__}"
            )
        try:
            lines.append(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(
                f"{name}: record {number} holds what JSON cannot ({error}); write the data to a "
                "file or a folder and name it"
            ) from error
    if not lines:
        raise ValueError(f"{name} holds no records")
    return "".join(lines)


def _records(name: str, data: Any) -> Iterator[Any]:
    """The records of what a caller may hold; who holds a table has imported its library."""
    if (datasets := sys.modules.get("datasets")) and isinstance(data, datasets.Dataset):
        classes = {n: f for n, f in data.features.items() if isinstance(f, datasets.ClassLabel)}
        for record in data:
            named = {
                n: f.int2str(record[n])
                for n, f in classes.items()
                if record[n] is not None and record[n] >= 0
            }
            yield {**record, **named}
    elif (pandas := sys.modules.get("pandas")) and isinstance(data, pandas.DataFrame):
        yield from data.astype(object).where(data.notna(), None).to_dict("records")
    elif isinstance(data, Sequence) and not isinstance(data, bytes):
        yield from data
    else:
        raise ValueError(f"{name} must be a name, {RECORDS}, got a {type(data).__name__}")


def _write_lines(text: str) -> str:
    file = _folder() / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.jsonl"
    if not file.exists():
        write_text(file, text)
    return str(file)


def _write_model(model: Any, tokenizer: Any) -> str:
    from filelock import FileLock
    from transformers import PreTrainedModel

    import lora
    from scaling.core.quiet import quiet

    kind = type(model).__name__
    if not isinstance(model, PreTrainedModel):
        raise ValueError(f"model must be a name, or a base model of transformers, got a {kind}")
    if tokenizer is None:
        raise ValueError(f"model is a {kind}: pass its tokenizer (or processor) too")
    if lora.adapters(model):
        raise ValueError(f"the {kind} carries adapters; pass the base model, as of lora.detach")
    if getattr(model.config, "quantization_config", None) is not None:
        raise ValueError(f"the {kind} is quantised; name its folder instead")
    with (
        FileLock(_folder() / ".lock"),
        tempfile.TemporaryDirectory(dir=_folder()) as partial,
        quiet(),
    ):
        made = Path(partial) / "model"
        model.save_pretrained(made)
        tokenizer.save_pretrained(made)
        folder = _folder() / _digest(made)
        if not folder.exists():
            if differs := _first_difference(model, made):
                raise ValueError(
                    f"the {kind} is not what save_pretrained writes of it ({differs}); save it "
                    "yourself and name the folder"
                )
            made.rename(folder)
    return str(folder)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _first_difference(model: Any, folder: Path) -> str | None:
    """The first tensor that does not come back from the folder as it is."""
    import torch

    with torch.random.fork_rng():
        back = type(model).from_pretrained(folder, dtype="auto")
    ours, theirs = (dict(m.named_parameters()) | dict(m.named_buffers()) for m in (model, back))
    for name in ours | theirs:
        if name not in ours or name not in theirs:
            return f"it {'has' if name in theirs else 'lacks'} {name}"
        mine, other = ours[name].detach().cpu(), theirs[name].detach().cpu()
        if mine.dtype != other.dtype or not torch.equal(mine, other):
            return f"it has another {name}"
    return None
