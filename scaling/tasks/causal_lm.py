"""Text from text: a causal language model on plain text, or on the answers to prompts.

Columns: text, or prompt answer; by default "prompt" and "answer" where the first record has both,
else "text". Without files a small GPT-2 that has read Python's standard library
(scaling/pretrained/gpt.py) goes on to the docstrings of scientific packages, and is examined on
files that it has not seen.

With the column text, all texts are one row of tokens, each followed by the end token, which is cut
into blocks of `length`: nothing is thrown away. A line of a .txt file counts as one text.

With prompt and answer, only the answer's tokens count in the loss. A tokenizer with a chat template
makes them a user's and an assistant's message. An example longer than `length` loses the beginning
of its prompt, down to half of `length`, and then the end of its answer; how many do is printed.
Where every answer ends in "#### n", as those of school arithmetic do, the model also writes
answers, greedily, of at most `new_tokens`, and n is compared.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from scaling.core.batches import split
from scaling.core.config import Config
from scaling.core.processes import is_first
from scaling.core.task import IGNORED, Data, Loaded, Record, Task, place
from scaling.data.data_files import check_columns, limited, parts
from scaling.data.docstrings import documents
from scaling.data.prompts import blocks, fitted, tokens
from scaling.evaluation.text_generation import context, written
from scaling.evaluation.token_loss import perplexity, token_losses
from scaling.models.loading import pretrained
from scaling.models.packaged import language_model

FINAL = re.compile(r"####\s*(-?[\d.,]*\d)")
TRAIN, TEST = 40, 8  # files of each package


@dataclass(frozen=True)
class Options:
    new_tokens: int = 256
    """The longest answer that is written; at most half of the model's context."""

    def __post_init__(self) -> None:
        if type(self.new_tokens) is not int or self.new_tokens < 1:
            raise ValueError(
                f"new_tokens must be a number of tokens, at least 1, got {self.new_tokens!r}"
            )


def data(config: Config) -> Data:
    train, test = parts(config, lambda: documents(TRAIN, TEST, config.seed))
    columns = config.data.columns or (
        ("prompt", "answer") if {"prompt", "answer"} <= train[0].keys() else ("text",)
    )
    if len(columns) > 2:
        raise ValueError(f"columns must be text, or prompt answer, got {len(columns)} of them")
    check_columns([*train, *test], columns, columns)
    numbered = len(columns) == 2 and all(
        final(str(record[columns[1]])) is not None for record in test
    )
    return limited(config, Data(train, test, {"columns": columns, "numbered": numbered}))


def final(answer: str) -> str | None:
    """The number after the last "####", without thousands separators; None where there is none."""
    found = FINAL.findall(answer)
    return found[-1].replace(",", "") if found else None


def load(config: Config, data: Data) -> Loaded:
    from transformers import AutoModelForCausalLM

    source = language_model(config.data.model)
    loaded = pretrained(config, AutoModelForCausalLM, source)
    if loaded.processor.pad_token is None:
        if loaded.processor.eos_token is None:
            raise ValueError(f"the tokenizer of {source} has neither a padding nor an end token")
        loaded.processor.pad_token = loaded.processor.eos_token
    return loaded


def examples(config: Config, loaded: Loaded, data: Data, records: Sequence[Record]) -> list[Record]:
    limit = context(loaded)
    if config.data.length < 2 or (limit is not None and config.data.length > limit):
        most = "" if limit is None else f", and the model reads {limit} at most"
        raise ValueError(
            f"length must be at least 2 tokens to tell one from those before{most}; got "
            f"{config.data.length}"
        )
    if len(data.facts["columns"]) == 1:
        texts = [str(record[data.facts["columns"][0]]) for record in records]
        cut = blocks(loaded.processor, texts, config.data.length)
        if not cut:
            raise ValueError(
                f"{len(records)} records have fewer than two tokens in {data.facts['columns'][0]!r}"
            )
        return [{"input_ids": ids, "labels": ids} for ids in cut]
    pairs = [_tokens(loaded, data, number, record) for number, record in enumerate(records, 1)]
    longer = sum(len(prompt) + len(answer) > config.data.length for prompt, answer in pairs)
    if longer and is_first():
        print(
            f"{longer} of {len(pairs)} examples are longer than {config.data.length} tokens "
            "(length) and are cut"
        )
    found = []
    for prompt, answer in (fitted(*pair, config.data.length) for pair in pairs):
        found.append(
            {"input_ids": [*prompt, *answer], "labels": [IGNORED] * len(prompt) + [*answer]}
        )
    return found


def _tokens(loaded: Loaded, data: Data, number: int, record: Record) -> tuple[list[int], list[int]]:
    prompt, answer = (str(record[name]) for name in data.facts["columns"])
    read, learnt = tokens(loaded.processor, prompt, answer)
    for name, ids in zip(data.facts["columns"], (read, learnt), strict=True):
        if not ids:
            raise ValueError(f"{place(record, number)} has no token in {name!r}")
    return read, learnt


def collate(loaded: Loaded) -> Callable[[list[Record]], dict[str, Tensor]]:
    # pads labels with IGNORED; nothing in it needs an encoder
    from transformers import DataCollatorForSeq2Seq

    return DataCollatorForSeq2Seq(loaded.processor, label_pad_token_id=IGNORED)


def predict(
    config: Config,
    loaded: Loaded,
    data: Data,
    records: Sequence[Record],
    examples: Sequence[Record],
    batch_size: int,
) -> list[Record]:
    rows: list[Record] = []
    for batch in split(loaded, examples, batch_size, collate(loaded)):
        labels = batch.pop("labels")
        rows += token_losses(loaded.model(**batch).logits[:, :-1], labels[:, 1:])
    if data.facts["numbered"]:
        pairs = [_tokens(loaded, data, number, record) for number, record in enumerate(records, 1)]
        new_tokens = TASK.options(config).new_tokens
        texts = written(loaded, [prompt for prompt, _ in pairs], new_tokens, batch_size)
        for row, record, text in zip(rows, records, texts, strict=True):
            row["written"] = text
            row["answer"], row["prediction"] = (
                final(str(record[data.facts["columns"][1]])),
                final(text),
            )
    return rows


def metrics(rows: Sequence[Record], data: Data) -> dict[str, float]:
    found = {"perplexity": perplexity(rows)}
    if data.facts["numbered"]:
        right = [row["prediction"] == row["answer"] for row in rows]
        found = {"exact_match": sum(right) / len(right)} | found
    return found


def score(row: Record) -> float:
    """Whether the answer is right; of other texts, minus the loss of a token."""
    if "answer" in row:
        return float(row["prediction"] == row["answer"])
    return -row["loss"] / row["tokens"]


TASK = Task(
    data, load, examples, collate, predict, metrics, score=score, by_tokens=True, Options=Options
)
