"""What a finished run leaves in its folder, each file whole or not there."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loralab.files import whole, write_text
from scaling.core.task import Record

RUN, BEFORE, METRICS = "run.json", "before.json", "metrics.json"
PREDICTIONS, CURVES, ADAPTER = "predictions.jsonl", "curves.png", "adapter"


def write_json(file: Path, value: Any) -> None:
    write_text(file, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_rows(file: Path, rows: Sequence[Record]) -> None:
    write_text(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def draw_curves(
    file: Path,
    losses: Sequence[tuple[int, float]],
    validation: Sequence[tuple[int, float]],
    title: str,
) -> None:
    """The training loss by step and, where there is any, the validation loss."""
    import matplotlib.pyplot as plt  # takes longer to load than all of the rest here

    plt.switch_backend("agg")
    figure, axes = plt.subplots(figsize=(4.5, 3), layout="constrained")
    axes.plot(*zip(*losses, strict=True), lw=1, label="training")
    if validation:
        axes.plot(*zip(*validation, strict=True), "o-", ms=3, label="validation")
        axes.legend()
    axes.set(xlabel="step", ylabel="loss", title=title)
    with whole(file) as partial:
        figure.savefig(partial, format="png", dpi=150)
    plt.close(figure)
