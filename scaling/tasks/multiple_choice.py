"""One of several answers, by its likelihood: a causal language model on questions with choices, as
those of BoolQ and ARC.

Columns: prompt choices answer. The choices are a list of texts, or as ARC has them {"text": [...],
"label": [...]}; the answer is the number of the right one from 0 (False and True are 0 and 1), its
label, its text, or its letter from A. Without files SmolLM2 learns which of four first sentences is
that of a function (scaling/data/functions.py), and is examined on numpy.

Trained is the right answer's loss, as in causal_lm. Examined is which choice is the most likely,
all of its tokens together (accuracy), and per byte of its text (accuracy_per_byte), which does not
favour short ones. The prompt does not list the choices. `chance` is what a guess would get. Too
long a question loses the beginning of its prompt.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from scaling.core.batches import split
from scaling.core.config import Config
from scaling.core.records import Record, check_columns, place
from scaling.core.task import IGNORED, Data, Loaded, Task
from scaling.data.columns import columns_of
from scaling.data.data_files import limited, parts
from scaling.data.functions import questions
from scaling.data.prompts import fitted, tokens
from scaling.evaluation.label_loss import text_losses
from scaling.models.language import check_length, loaded_model, padded
from scaling.models.packaged import DEFAULT, language_model

TRAIN, TEST = 600, 24  # functions of each package to train on, and of numpy


def defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of the run without files: four minutes at most on two cores."""
    if settings.get("model") not in (None, DEFAULT):
        return {}
    return {"steps": 48, "batch": 4, "lr": 1e-3, "length": 192}


def data(config: Config) -> Data:
    language_model(config.data.model)  # one that is not there is said before any data is read
    train, test = parts(config, lambda: questions(TRAIN, TEST, config.seed))
    columns = columns_of(config.data.task, config.data.columns, train[0])
    check_columns([*train, *test], columns, columns[:1])
    train, test = (
        [question(record, columns, place(record, number)) for number, record in enumerate(part, 1)]
        for part in (train, test)
    )
    return limited(config, Data(train, test, {}))


def question(record: Record, columns: Sequence[str], where: str) -> Record:
    """{"prompt", "choices", "answer"} with the choices as texts and the answer as a number from 0.
    Raises ValueError, which begins with `where`, for choices or an answer that are none."""
    prompt, given, answer = (record[name] for name in columns)
    labels: list[str] = []
    if isinstance(given, Mapping) and {"text", "label"} <= given.keys():
        given, labels = given["text"], [str(label) for label in given["label"]]
    texts = [] if isinstance(given, str | Mapping) else [str(text).strip() for text in given]
    if len(texts) < 2 or not all(texts) or len(set(texts)) < len(texts):
        raise ValueError(f"{where} must have at least two different texts in {columns[1]!r}")
    number = _number(answer, texts, labels)
    if number is None or not 0 <= number < len(texts):
        raise ValueError(
            f"{where} has the answer {answer!r} in {columns[2]!r}, which is none of its "
            f"{len(texts)} choices by number from 0, label, text or letter"
        )
    return {"prompt": str(prompt), "choices": texts, "answer": number}


def _number(answer: Any, texts: list[str], labels: list[str]) -> int | None:
    if isinstance(answer, int):
        return int(answer)
    said = str(answer).strip()
    for names in (labels, texts, [chr(ord("A") + i) for i in range(len(texts))]):
        if said in names:
            return names.index(said)
    return None


def load(config: Config, data: Data) -> Loaded:
    return loaded_model(config)


def examples(config: Config, loaded: Loaded, data: Data, records: Sequence[Record]) -> list[Record]:
    check_length(config, loaded)
    return [
        _example(config, loaded, record, record["choices"][record["answer"]]) for record in records
    ]


def _example(config: Config, loaded: Loaded, record: Record, choice: str) -> Record:
    read, learnt = fitted(*tokens(loaded.processor, record["prompt"], choice), config.data.length)
    return {"input_ids": [*read, *learnt], "labels": [IGNORED] * len(read) + [*learnt]}


def collate(loaded: Loaded) -> Callable[[list[Record]], dict[str, Tensor]]:
    return padded(loaded)


def predict(
    config: Config,
    loaded: Loaded,
    data: Data,
    records: Sequence[Record],
    examples: Sequence[Record],
    batch_size: int,
) -> list[Record]:
    each = [_example(config, loaded, r, choice) for r in records for choice in r["choices"]]
    found: list[Record] = []
    for batch in split(loaded, each, batch_size, collate(loaded)):
        found += text_losses(loaded.model, **batch)
    rows, losses = [], iter(found)
    for record in records:
        own = [next(losses) for _ in record["choices"]]
        sums = [one["loss"] for one in own]
        sizes = [len(choice.encode()) for choice in record["choices"]]
        mean = [loss / size for loss, size in zip(sums, sizes, strict=True)]
        right = own[record["answer"]]
        rows.append(
            record
            | {"prediction": sums.index(min(sums)), "per_byte": mean.index(min(mean))}
            | {"log_likelihoods": [-loss for loss in sums]}
            | {"loss": right["loss"], "tokens": right["tokens"]}
        )
    return rows


def metrics(rows: Sequence[Record], data: Data) -> dict[str, float]:
    right, per_byte = (
        sum(row[name] == row["answer"] for row in rows) / len(rows)
        for name in ("prediction", "per_byte")
    )
    return {
        "accuracy": right,
        "accuracy_per_byte": per_byte,
        "loss": sum(row["loss"] for row in rows) / sum(row["tokens"] for row in rows),
        "chance": sum(1 / len(row["choices"]) for row in rows) / len(rows),
    }


def score(row: Record) -> float:
    """Whether the most likely choice is the right one."""
    return float(row["prediction"] == row["answer"])


TASK = Task(
    data,
    load,
    examples,
    collate,
    predict,
    metrics,
    score=score,
    by_tokens=True,
    defaults=defaults,
)
