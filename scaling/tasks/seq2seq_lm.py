"""Text to text: an encoder and a decoder (BART, T5 and their like), as for summaries and
translations.

Columns: source target; by default "text" and "summary". Both are cut off at `length` tokens.
Without files a small BART that has repaired the text of Python's standard library
(scaling/pretrained/bart.py) learns to sum up docstrings of scientific packages by their first
paragraphs, and is examined on files that it has not seen.

What the model writes is scored by ROUGE, and so is, to compare with, the lead: the first words of
the source, as many as the training targets have on average. The search is greedy or has `beams`;
the rest is the model's own settings.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from scaling.core.batches import split
from scaling.core.config import Config
from scaling.core.records import Record, check_columns, place
from scaling.core.task import IGNORED, Data, Loaded, Task
from scaling.data.columns import columns_of
from scaling.data.data_files import limited, parts
from scaling.data.docstrings import summarised
from scaling.evaluation.rouge import ROUGE, rouge
from scaling.evaluation.token_loss import perplexity, token_losses
from scaling.models.loading import pretrained
from scaling.pretrained import folder_of

TRAIN, TEST = 400, 50  # docstrings of each package


@dataclass(frozen=True)
class Options:
    beams: int = 1
    """Of the search for what is written; with one it is greedy."""
    new_tokens: int = 64
    """The longest text that is written; at most what the model's context holds."""

    def __post_init__(self) -> None:
        for name in ("beams", "new_tokens"):
            if type(value := getattr(self, name)) is not int or value < 1:
                raise ValueError(f"{name} must be a whole number, at least 1, got {value!r}")


def data(config: Config) -> Data:
    train, test = parts(config, lambda: summarised(TRAIN, TEST, config.seed))
    columns = columns_of(config.data.task, config.data.columns, train[0])
    check_columns([*train, *test], columns, columns)
    words = sum(len(str(record[columns[1]]).split()) for record in train)
    return limited(
        config, Data(train, test, {"columns": columns, "words": max(1, round(words / len(train)))})
    )


def load(config: Config, data: Data) -> Loaded:
    from transformers import AutoModelForSeq2SeqLM

    return pretrained(config, AutoModelForSeq2SeqLM, config.data.model or folder_of("bart"))


def examples(config: Config, loaded: Loaded, data: Data, records: Sequence[Record]) -> list[Record]:
    limit = _context(loaded)
    if limit is not None and config.data.length > limit:
        raise ValueError(
            f"length must be at most the {limit} tokens that the model reads, got "
            f"{config.data.length}"
        )
    source, target = ([str(record[name]) for record in records] for name in data.facts["columns"])
    encoded = loaded.processor(
        source, text_target=target, truncation=True, max_length=config.data.length
    )
    for number, (ids, labels) in enumerate(
        zip(encoded["input_ids"], encoded["labels"], strict=True), 1
    ):
        if not ids or not labels:
            where = place(records[number - 1], number)
            raise ValueError(f"{where} has no token in {data.facts['columns'][bool(ids)]!r}")
    return [{name: encoded[name][i] for name in encoded} for i in range(len(records))]


def _context(loaded: Loaded) -> int | None:
    """The most tokens that the model can read, or write; None where it does not say."""
    return getattr(loaded.model.config, "max_position_embeddings", None)


def collate(loaded: Loaded) -> Callable[[list[Record]], dict[str, Tensor]]:
    from transformers import DataCollatorForSeq2Seq

    return DataCollatorForSeq2Seq(loaded.processor, loaded.model, label_pad_token_id=IGNORED)


def predict(
    config: Config,
    loaded: Loaded,
    data: Data,
    records: Sequence[Record],
    examples: Sequence[Record],
    batch_size: int,
) -> list[Record]:
    model: Any = loaded.model
    source, target = data.facts["columns"]
    options, rows = TASK.options(config), []
    limit = _context(loaded)
    # one place is the start token's
    most = options.new_tokens if limit is None else min(options.new_tokens, limit - 1)
    for batch in split(loaded, examples, batch_size, collate(loaded)):
        labels = batch.pop("labels")
        losses = token_losses(model(**batch).logits, labels)
        del batch["decoder_input_ids"]  # the model writes its own
        ids = model.generate(**batch, max_new_tokens=most, num_beams=options.beams, do_sample=False)
        texts = loaded.processor.batch_decode(ids, skip_special_tokens=True)
        rows += [{"written": text.strip()} | loss for text, loss in zip(texts, losses, strict=True)]
    for row, record in zip(rows, records, strict=True):
        row["target"] = str(record[target])
        row["lead"] = " ".join(str(record[source]).split()[: data.facts["words"]])
    return rows


def metrics(rows: Sequence[Record], data: Data) -> dict[str, float]:
    def mean(column: str) -> dict[str, float]:
        scores = [rouge(row["target"], row[column]) for row in rows]
        return {name: sum(score[name] for score in scores) / len(scores) for name in ROUGE}

    lead = {f"lead_{name}": value for name, value in mean("lead").items()}
    return mean("written") | {"perplexity": perplexity(rows)} | lead


def score(row: Record) -> float:
    """The first ROUGE of what was written."""
    return rouge(row["target"], row["written"])[ROUGE[0]]


# Not by_tokens: these models take the number of tokens of a step and ignore it.
TASK = Task(data, load, examples, collate, predict, metrics, score=score, Options=Options)
