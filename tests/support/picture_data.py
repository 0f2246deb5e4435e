"""Pictures, a file of records about them, and the arguments of a run on them that takes a second or
two."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = 8


def picture(left: bool, rng: np.random.Generator) -> Image.Image:
    """Dark noise with one half bright."""
    values = rng.integers(0, 100, (SIZE, SIZE, 3))
    values[:, slice(0, 4) if left else slice(4, 8)] += 120
    return Image.fromarray(values.astype(np.uint8))


def write(folder: Path, name: str, count: int, seed: int, fields: Any) -> None:
    """<name>.jsonl, whose record i is `fields(i)` and a path relative to the file; odd pictures
    have a bright left."""
    rng, rows = np.random.default_rng(seed), []
    (folder / name).mkdir()
    for i in range(count):
        picture(i % 2 == 1, rng).save(folder / name / f"{i}.png")
        rows.append(fields(i) | {"image": f"{name}/{i}.png"})
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def arguments(task: str, model: Path, folder: Path, *more: str, steps: int = 12) -> list[str]:
    given = {"task": task, "model": model, "out": folder / "run", "store": folder / "store.sqlite"}
    given |= {"train": folder / "train.jsonl", "test": folder / "test.jsonl"}
    given |= {"steps": steps, "batch": 8, "lr": 0.02, "rank": 4, "save-every": 4}
    return [*(part for name, value in given.items() for part in (f"--{name}", str(value))), *more]


def result_of(folder: Path) -> tuple[dict[str, Any], Sequence[dict[str, Any]]]:
    """The metrics and the predictions of the run."""
    lines = (folder / "run" / "predictions.jsonl").read_text().splitlines()
    return json.loads((folder / "run" / "metrics.json").read_text()), [
        json.loads(line) for line in lines
    ]
