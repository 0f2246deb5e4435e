"""What the runs of a sweep forget: of each its loss on the base model's text, which is the same for
all of them."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def remembers(outcome: dict[str, Any]) -> bool:
    """Whether a run has its loss on the base model's text."""
    return outcome.get("base_text") is not None


def forgotten(outcome: dict[str, Any]) -> list[float]:
    """Bits a byte by which the loss on each block of the base model's text has grown."""
    blocks = outcome["base_text"]["blocks"]
    return [after - before for before, after in zip(blocks["before"], blocks["after"], strict=True)]


def trade(runs: Sequence[dict[str, Any]]) -> list[tuple[float, float]]:
    """Validation loss, and bits a byte that are forgotten of the first blocks of the text, at each
    validation that all these runs have; means over them."""
    lines = []
    for run in filter(remembers, runs):
        (_, begun), *rest = run["base_text"]["curve"]
        lost = {step: loss - begun for step, loss in rest}
        lines.append({step: (v, lost[step]) for step, v in run["validation"] if step in lost})
    shared = sorted(set.intersection(*map(set, lines))) if lines else []
    means = [np.mean([line[step] for line in lines], axis=0) for step in shared]
    return [(float(x), float(y)) for x, y in means]


def note(runs: Iterable[dict[str, Any]]) -> list[str]:
    """How to read what is forgotten; nothing of runs that have no such text."""
    texts = {run["base_text"]["source"] for run in filter(remembers, runs)}
    if not texts:
        return []
    return [
        "Forgetting: bits a byte by which the loss on the base model's text has grown "
        f"({', '.join(sorted(texts))}), lower is better; its difference is paired by seed and by "
        "block of the text."
    ]
