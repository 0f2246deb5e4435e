"""Several short examples in one row, without padding between them.

A batch holds the same examples as it would unpacked, so order, steps, and the meaning of a batch
stay as they are, and loss and gradient too, to rounding. Each example keeps its own positions,
which begin at 0; transformers (`masking_utils.find_packed_sequence_indices`) lets no token attend
to one of another example where positions begin anew, there is no mask and no cache.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from scaling.core.records import Record
from scaling.core.task import IGNORED, Loaded

ROW = 1024  # tokens of a row: more cost more in attention, which grows with its square, than saved
APART = 0.05  # between what rounding changes, 0.01 in bfloat16, and what a leak does, about 1


def rows_of(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Which examples share a row of at most `capacity` tokens: the longest first, each into the
    first row that has room."""
    rows: list[list[int]] = []
    room: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        row = next((row for row, free in enumerate(room) if free >= lengths[i]), len(rows))
        if row == len(rows):
            rows.append([])
            room.append(max(capacity, lengths[i]))
        rows[row].append(i)
        room[row] -= lengths[i]
    return rows


def packed(examples: Sequence[Record], pad: int, capacity: int = ROW) -> dict[str, Tensor]:
    """{"input_ids", "labels", "position_ids"}, each (rows, tokens), of examples with input_ids and
    labels. What fills a row up is one more example, without labels."""
    rows = rows_of([len(example["input_ids"]) for example in examples], capacity)
    width = max(sum(len(examples[i]["input_ids"]) for i in row) for row in rows)
    columns: dict[str, list[list[int]]] = {"input_ids": [], "labels": [], "position_ids": []}
    for row in rows:
        ids: list[int] = []
        labels: list[int] = []
        positions: list[int] = []
        for i in row:
            ids += examples[i]["input_ids"]
            labels += [IGNORED, *examples[i]["labels"][1:]]  # the first would follow another's last
            positions += range(len(examples[i]["input_ids"]))
        rest = width - len(ids)
        columns["input_ids"].append(ids + [pad] * rest)
        columns["labels"].append(labels + [IGNORED] * rest)
        columns["position_ids"].append([*positions, *range(rest)])
    return {name: torch.tensor(value) for name, value in columns.items()}


def prepare_model(loaded: Loaded) -> None:
    """Make the model keep no cache in training, which would hide where examples begin, and prove
    that it keeps packed examples apart. Raises ValueError where it does not."""
    model: Any = loaded.model
    model.config.get_text_config().use_cache = False  # generation has a setting of its own
    first, second = [1, 2, 3, 4, 5], [3, 1, 2]
    alone = [{"input_ids": ids, "labels": ids} for ids in (first, second)]
    together = packed(alone, pad=0)
    device, kind = next(model.parameters()).device, type(model).__name__
    with torch.no_grad():
        try:
            shared = model(
                input_ids=together["input_ids"].to(device),
                position_ids=together["position_ids"].to(device),
            ).logits[0]
        except TypeError as error:
            raise ValueError(
                f"packing needs a model that takes position_ids, and {kind} does not"
            ) from error
        own = torch.cat(
            [model(input_ids=torch.tensor([ids]).to(device)).logits[0] for ids in (first, second)]
        )
    if not (shared - own).norm() <= APART * own.norm():
        raise ValueError(
            f"{kind} with attention {model.config._attn_implementation!r} lets packed examples see "
            "each other: train it without packing"
        )
