"""An image to a class.

Columns: image label, which are the defaults; an image is whatever scaling.data.images reads, a
folder with a folder of images for each class included. Every different label of the training data
is a class. The head is trained whole, as few ranks fit so few outputs: from where it stands in a
model that knows exactly these classes, else anew. Where the records have a column "domain", the
accuracy in each is reported too: `--hold-out domain NAME` trains on the other domains and tests on
this one.

Without files: a small transformer that knows plain digits learns to read them inverted, rotated,
noisy, thick and on stripes. No digit is in both parts, in whatever domain, with --hold-out domain
neither: it trains on the training digits in the other domains and tests on the test digits in this
one. In data of your own --hold-out goes by the column alone.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from scaling.core.batches import split
from scaling.core.config import Config
from scaling.core.records import Record, check_columns
from scaling.core.task import Data, Loaded, Task
from scaling.data.columns import columns_of
from scaling.data.data_files import limited, parts
from scaling.data.digit_images import in_domains
from scaling.data.images import decoded, located
from scaling.evaluation.metrics import of_classes
from scaling.models.heads import classifier
from scaling.pretrained import folder_of

DOMAIN = "domain"


def data(config: Config) -> Data:
    train, test = parts(config, lambda: in_domains(config))
    columns = columns_of(config.data.task, config.data.columns, train[0])
    image, label = columns
    check_columns([*train, *test], columns, columns[1:])
    classes = sorted({str(record[label]) for record in train})
    if len(classes) < 2:
        raise ValueError(f"the training data have only one class, {classes[0]!r}")
    if unknown := {str(record[label]) for record in test} - set(classes):
        raise ValueError(
            f"the test data have a class that the training data lack: {min(unknown)!r}"
        )
    domains = all(record.get(DOMAIN) is not None for record in test)
    facts = {"columns": columns, "classes": classes, "domains": domains}
    return limited(config, Data(*located(config, (train, test), image), facts))


def load(config: Config, data: Data) -> Loaded:
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    source = config.data.model or folder_of("vit")
    return classifier(
        config, AutoModelForImageClassification, source, data.facts["classes"], AutoImageProcessor
    )


def examples(config: Config, loaded: Loaded, data: Data, records: Sequence[Record]) -> list[Record]:
    image, label = data.facts["columns"]
    settings: Any = loaded.model.config
    return [
        {"image": record[image], "labels": settings.label2id[str(record[label])]}
        for record in records
    ]


def collate(loaded: Loaded) -> Callable[[list[Record]], dict[str, Tensor]]:
    def batch_of(examples: list[Record]) -> dict[str, Tensor]:
        images = loaded.processor(
            [decoded(example["image"]) for example in examples], return_tensors="pt"
        )
        return {**images, "labels": torch.tensor([example["labels"] for example in examples])}

    return batch_of


def predict(
    config: Config,
    loaded: Loaded,
    data: Data,
    records: Sequence[Record],
    examples: Sequence[Record],
    batch_size: int,
) -> list[Record]:
    _, label = data.facts["columns"]
    settings: Any = loaded.model.config
    rows: list[Record] = []
    for batch in split(loaded, examples, batch_size, collate(loaded)):
        batch.pop("labels")
        for logits in loaded.model(**batch).logits.float().cpu():
            record = records[len(rows)]
            row = {
                "label": str(record[label]),
                "prediction": settings.id2label[int(logits.argmax())],
            }
            where = {DOMAIN: str(record[DOMAIN])} if data.facts["domains"] else {}
            rows.append(row | where | {"logits": logits.tolist()})
    return rows


def metrics(rows: Sequence[Record], data: Data) -> dict[str, float]:
    found = of_classes([row["label"] for row in rows], [row["prediction"] for row in rows])
    if data.facts["domains"]:
        for domain in sorted({row[DOMAIN] for row in rows}):
            right = [row["label"] == row["prediction"] for row in rows if row[DOMAIN] == domain]
            found[f"accuracy_{domain}"] = sum(right) / len(right)
    return found


def score(row: Record) -> float:
    return float(row["label"] == row["prediction"])


TASK = Task(data, load, examples, collate, predict, metrics, score=score)
