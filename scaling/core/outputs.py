"""What a finished run leaves in its folder, each file whole or not there."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loralab.files import whole, write_text

RUN, BEFORE, METRICS = "run.json", "before.json", "metrics.json"
PREDICTIONS, CURVES, PAGE = "predictions.jsonl", "curves.png", "report.md"
# folders of what was trained: a run has one of them
ADAPTER, MODEL, DIFFERENCE = TRAINED = "adapter", "model", "difference"


class Damaged(ValueError):
    """A file that a run wrote cannot be read any more."""

    def __init__(self, file: Path, why: object) -> None:
        reason = " ".join(str(why).split())[:200]
        super().__init__(f"{file} is damaged: {reason}; --force begins the run anew")


def write_json(file: Path, value: Any) -> None:
    write_text(file, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(file: Path, *names: str) -> dict[str, Any]:
    """The object that a run wrote; raises `Damaged` where it is none, or lacks one of these
    names."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Damaged(file, error.strerror) from error
    except (ValueError, RecursionError) as error:
        raise Damaged(file, f"it is not JSON, {error}") from error
    if not isinstance(value, dict):
        raise Damaged(file, f"it holds a {type(value).__name__}, not an object")
    if lacking := [name for name in names if name not in value]:
        raise Damaged(file, f"it has no {lacking[0]!r}")
    return value


def trained(folder: Path) -> Path:
    """Where a finished run keeps what it trained."""
    return next((folder / name for name in TRAINED if (folder / name).is_dir()), folder / ADAPTER)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside this one, which replaces it when the block ends; on an error it goes,
    and what was there before stays."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_rows(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    write_text(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def draw_curves(
    file: Path,
    losses: Sequence[tuple[int, float]],
    validation: Sequence[tuple[int, float]],
    title: str,
    base_text: Sequence[tuple[int, float]] = (),
) -> None:
    """The training loss by step and, where there are any, the validation loss and, below, the loss
    on the base model's text."""
    import matplotlib.pyplot as plt  # takes longer to load than all of the rest here

    plt.switch_backend("agg")
    count = 2 if base_text else 1
    size = (4.5, 3 + 1.5 * (count - 1))
    figure, panels = plt.subplots(
        count, figsize=size, layout="constrained", sharex=True, squeeze=False
    )
    axes, *below = panels[:, 0]
    axes.plot(*zip(*losses, strict=True), lw=1, label="training")
    if validation:
        axes.plot(*zip(*validation, strict=True), "o-", ms=3, label="validation")
        axes.legend()
    axes.set(ylabel="loss", title=title)
    for under in below:
        under.plot(*zip(*base_text, strict=True), "o-", ms=3, color="C3")
        under.set(ylabel="base text, bits a byte")
    (axes, *below)[-1].set_xlabel("step")
    with whole(file) as partial:
        figure.savefig(partial, format="png", dpi=150)
    plt.close(figure)
