"""One or two sentences to a class, or to a number (GLUE's kinds).

Columns: text label, or text text label; by default "text" and "label". Labels that are all numbers,
at least one with a decimal point, make a regression; else every different label of the training
data is a class. Without files: which installed package does this docstring belong to?
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from scaling.core.batches import split
from scaling.core.config import Config
from scaling.core.records import Record, check_columns, place
from scaling.core.settings import DataSettings
from scaling.core.task import Data, Loaded, Task
from scaling.data.columns import columns_of
from scaling.data.data_files import limited, parts
from scaling.data.docstrings import labelled
from scaling.data.rows import number_in
from scaling.evaluation.metrics import of_classes
from scaling.models.heads import classifier
from scaling.models.loading import positions

TRAIN, TEST = 300, 50  # docstrings of each package


def data(config: Config) -> Data:
    train, test = parts(config, lambda: labelled(TRAIN, TEST, config.seed))
    columns = columns_of(config.data.task, config.data.columns, train[0])
    check_columns([*train, *test], columns, columns)
    for number, record in enumerate([*train, *test], 1):
        if isinstance(label := record[columns[-1]], float) and not math.isfinite(label):
            raise ValueError(
                f"{place(record, number)} has {label} in {columns[-1]!r}, which is neither a class "
                "nor a number"
            )
    labels = [record[columns[-1]] for record in train]
    numbers = [number_in(record, columns[-1]) for record in train]
    if None not in numbers and any(isinstance(number, float) for number in numbers):
        for number, record in enumerate(test, 1):
            if number_in(record, columns[-1]) is None:
                raise ValueError(
                    f"{place(record, number)}, of the test data, has no number in "
                    f"{columns[-1]!r}, as the training data have"
                )
        train, test = (
            [record | {columns[-1]: number_in(record, columns[-1])} for record in part]
            for part in (train, test)
        )
        return limited(config, Data(train, test, {"columns": columns, "classes": None}))
    classes = sorted(set(map(str, labels)))
    if len(classes) < 2:
        raise ValueError(f"the training data have only one class, {classes[0]!r}")
    unknown = {str(record[columns[-1]]) for record in test} - set(classes)
    if unknown:
        hint = ""
        if len(classes) > max(10, len(train) / 2):  # it seems to be the text
            hint = f" in {columns[-1]!r}; --columns names the text first, and the label last"
        raise ValueError(
            f"the test data have a class that the training data lack: {min(unknown)!r}{hint}"
        )
    return limited(config, Data(train, test, {"columns": columns, "classes": classes}))


def load(config: Config, data: Data) -> Loaded:
    from transformers import AutoModelForSequenceClassification

    source = config.data.model or "minilm"
    return classifier(config, AutoModelForSequenceClassification, source, data.facts["classes"])


def examples(config: Config, loaded: Loaded, data: Data, records: Sequence[Record]) -> list[Record]:
    length, limit = config.data.length, positions(loaded.model)
    if limit is not None and length > max(limit, DataSettings.length):
        raise ValueError(_too_long(length, limit))
    *texts, label = data.facts["columns"]
    settings: Any = loaded.model.config
    number = float if data.facts["classes"] is None else lambda label: settings.label2id[str(label)]
    columns = [[str(record[name]) for record in records] for name in texts]
    encoded = loaded.processor(*columns, truncation=True, max_length=length)
    if limit is not None and max(map(len, encoded["input_ids"]), default=0) > limit:
        raise ValueError(_too_long(length, limit))
    return [
        {name: encoded[name][i] for name in encoded} | {"labels": number(record[label])}
        for i, record in enumerate(records)
    ]


def _too_long(length: int, limit: int) -> str:
    return f"length must be at most the {limit} tokens that the model reads, got {length}"


def collate(loaded: Loaded) -> Callable[[list[Record]], dict[str, Tensor]]:
    from transformers import DataCollatorWithPadding

    return DataCollatorWithPadding(loaded.processor)


def predict(
    config: Config,
    loaded: Loaded,
    data: Data,
    records: Sequence[Record],
    examples: Sequence[Record],
    batch_size: int,
) -> list[Record]:
    *_, label = data.facts["columns"]
    settings: Any = loaded.model.config
    outputs: list[Tensor] = []
    for batch in split(loaded, examples, batch_size, collate(loaded)):
        batch.pop("labels")
        outputs += loaded.model(**batch).logits.float().cpu()
    if data.facts["classes"] is None:
        return [
            {"label": r[label], "prediction": o.item()}
            for r, o in zip(records, outputs, strict=True)
        ]
    return [
        {
            "label": str(r[label]),
            "prediction": settings.id2label[int(o.argmax())],
            "logits": o.tolist(),
        }
        for r, o in zip(records, outputs, strict=True)
    ]


def metrics(rows: Sequence[Record], data: Data) -> dict[str, float]:
    truth, guess = [row["label"] for row in rows], [row["prediction"] for row in rows]
    if data.facts["classes"] is not None:
        return of_classes(truth, guess)
    import numpy as np

    varies = len(set(truth)) > 1 and len(set(guess)) > 1
    error = float(np.mean(np.subtract(truth, guess) ** 2))
    return {"mean_squared_error": error} | (
        {"pearson": float(np.corrcoef(truth, guess)[0, 1])} if varies else {}
    )


def score(row: Record) -> float:
    """Right or wrong; of a number, minus the squared error."""
    if "logits" in row:
        return float(row["label"] == row["prediction"])
    return -((row["label"] - row["prediction"]) ** 2)


TASK = Task(data, load, examples, collate, predict, metrics, score=score)
