"""What a finished run says to people: one page of Markdown in its folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scaling.core import outputs
from scaling.core.config import Config
from scaling.evaluation.metrics import worse
from scaling.evaluation.samples import GUESS, side_by_side


def page(config: Config, source: str, summary: str, result: Mapping[str, Any]) -> str:
    """The metrics before and after training, and of a trivial guess where there is one; the loss on
    the base model's text; the curves; what the model wrote, before and after.

    Args:
        config: the run.
        source: the base model, by name or folder; of a default one the folder's name is said.
        summary: what is trained, in one line.
        result: what its metrics.json holds.
    """
    training, before, after = config.training, result["before"], result["metrics"]
    rows = [
        [name, _number(before.get(name)), _number(value), _number(after.get(f"{GUESS}_{name}"))]
        for name, value in after.items()
        if not name.startswith(GUESS)
    ]
    if text := result["base_text"]:
        rows.append(["base text, bits a byte", *map(_number, (text["before"], text["after"])), ""])
    if not any(row[-1] for row in rows):
        rows = [row[:-1] for row in rows]
    head = ["", "before", "after", "trivial guess"][: len(rows[0])]
    parts = [
        f"# {config.data.task}: {Path(source).name if config.data.model is None else source}",
        f"{summary}. {training.steps} steps of {training.batch} examples at the learning rate "
        f"{config.lr:g}, in {training.precision}, took {result['seconds']:.0f} s; "
        f"{result['examples']} examples were held out.",
        "\n".join(["|".join(["", *row, ""]) for row in (head, ["---"] * len(head), *rows)]),
    ]
    if line := worse(before, after):
        parts.append(f"**{line[0].upper()}{line[1:]}.**")
    if quantised := result["quantised"]:
        parts.append(
            f"The {quantised['line']}. Stock transformers reads the same one, for the adapter to "
            f"be put on, by `from_pretrained(..., quantization_config={quantised['code']})`."
        )
    if text:
        parts.append(
            f"The base text is of {text['source']}, {text['tokens']} tokens: what the loss on it "
            "gains, the model has forgotten."
        )
    parts.append(f"![The loss by step]({outputs.CURVES})")
    if samples := result["samples"]:
        parts += ["## What the model writes", *side_by_side(samples)]
    return "\n\n".join(parts) + "\n"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"
