"""Text from text: a causal language model on plain text, on the answers to prompts, or on what the
assistant says in conversations.

Columns: text; or prompt answer; or messages, a list of {"role", "content"} of system, user and
assistant. By default those of these that the first record has, messages before prompt and answer
before text. Without files SmolLM2 learns to say what a function does (scaling/data/functions.py):
the source of functions of scipy, scikit-learn, sympy, matplotlib, torch and transformers, and the
first sentence of their docstrings, examined on numpy; or, with the option built_in docstrings, to
go on with docstrings of scientific packages as plain text, examined on those of other files. With
`--model gpt` a small GPT-2 that has read Python's standard library (scaling/pretrained/gpt.py) goes
on to the docstrings of such packages, file by file.

With the column text, all texts are one row of tokens, each followed by the end token, which is cut
into blocks of `length`: nothing is thrown away. A line of a .txt file counts as one text.

With prompt and answer, only the answer's tokens count in the loss, and with messages those of all
the assistant's turns. A tokenizer with a chat template makes prompt and answer a user's and an
assistant's message. An example longer than `length` loses its beginning before the last answer,
down to half of `length`, and then the end of that answer; how many do is printed. The model also
writes the answers of the first `samples` test records, greedily, of at most `new_tokens`: ROUGE-L
and exact match are those of these answers, and baseline_... those of a trivial guess, the most
frequent answer of the training data or, of a function, its name as words. Where every answer ends
in "#### n", as those of school arithmetic do, all answers are written and n is compared.

With --streaming a few records are checked before training, and each one when it is read; of texts
what is left over begins the next epoch.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from scaling.core.batches import split
from scaling.core.config import Config
from scaling.core.processes import say
from scaling.core.records import Record, check_columns, place
from scaling.core.task import IGNORED, Data, Loaded, Task
from scaling.data.columns import columns_of
from scaling.data.data_files import limited, parts
from scaling.data.docstrings import documents, passages
from scaling.data.functions import functions, in_words
from scaling.data.messages import before_answer, check_messages, conversation, last_answer
from scaling.data.packing import packed, prepare_model
from scaling.data.prompts import blocks, cut_short, fitted, more_blocks, tokens
from scaling.data.rows import one_a_line
from scaling.evaluation.label_loss import text_losses
from scaling.evaluation.samples import GUESS, agreement
from scaling.evaluation.text_generation import context, written
from scaling.evaluation.token_loss import per_byte, perplexity
from scaling.models.language import check_length, loaded_model, padded
from scaling.models.packaged import DEFAULT, language_model

FINAL = re.compile(r"####\s*(-?[\d.,]*\d)")
TRAIN, TEST = 40, 8  # files of each package, for GPT
FUNCTIONS, TESTED = 600, 64  # of each package to train on, and of numpy
PASSAGES, UNSEEN = 100, 4  # docstrings of each package
BUILT_IN = ("functions", "docstrings")


@dataclass(frozen=True)
class Options:
    new_tokens: int = 256
    """The longest answer that is written; at most half of the model's context."""
    samples: int = 8
    """How many answers are written, of the first test records; of school arithmetic all are."""
    packing: bool = False
    """Lay the examples of a batch into rows without padding (scaling/data/packing.py): the same
    losses, in less time."""
    built_in: str = BUILT_IN[0]
    """What is learnt without files: what functions do, or docstrings as plain text."""

    def __post_init__(self) -> None:
        for name, least in (("new_tokens", 1), ("samples", 0)):
            if type(value := getattr(self, name)) is not int or value < least:
                raise ValueError(f"{name} must be a whole number, at least {least}, got {value!r}")
        if type(self.packing) is not bool:
            raise ValueError(f"packing must be true or false, got {self.packing!r}")
        if self.built_in not in BUILT_IN:
            raise ValueError(f"built_in must be {' or '.join(BUILT_IN)}, got {self.built_in!r}")


def defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of the run without files: four minutes at most on two cores."""
    if settings.get("model") not in (None, DEFAULT):
        return {}
    options = {"new_tokens": 32, "samples": 24}
    return {"steps": 48, "batch": 4, "lr": 1e-3, "length": 192, "task_options": options}


def data(config: Config) -> Data:
    model = language_model(config.data.model)

    def embedded() -> tuple[list[Record], list[Record]]:
        if model == "gpt":
            return documents(TRAIN, TEST, config.seed)  # type: ignore[return-value]
        if TASK.options(config).built_in == "docstrings":
            return passages(PASSAGES, UNSEEN, config.seed)  # type: ignore[return-value]
        return functions(FUNCTIONS, TESTED, config.seed)  # type: ignore[return-value]

    train, test = parts(config, embedded)
    columns = columns_of(config.data.task, config.data.columns, train[0])
    count = len(columns)
    many = isinstance(train[0].get(columns[-1]), list | tuple)
    facts = {"columns": columns, "talks": count == 1 and (many or columns == ("messages",))}
    for part in (train, test):
        _check(facts, part)
    answered = count == 2 or facts["talks"]
    answers = [wanted(facts, record) for record in train] if answered else []
    facts["guess"] = Counter(answers).most_common(1)[0][0] if answers else ""
    numbers = [final(wanted(facts, record)) for record in test if answers]
    facts["numbered"] = bool(numbers) and None not in numbers
    facts["named"] = config.data.train is None and bool(answers)
    return limited(config, Data(train, test, facts))


def _check(facts: Mapping[str, Any], records: Sequence[Record]) -> None:
    """Raise ValueError for a record that lacks a column, or a text or a conversation in it."""
    columns = facts["columns"]
    check_columns(records, columns, () if facts["talks"] else columns)
    for number, record in enumerate(records if facts["talks"] else (), 1):
        check_messages(record[columns[0]], place(record, number), columns[0])


def _only_text(data: Data) -> bool:
    return len(data.facts["columns"]) == 1 and not data.facts["talks"]


def final(answer: str) -> str | None:
    """The number after the last "####", without thousands separators; None where there is none."""
    found = FINAL.findall(answer)
    return found[-1].replace(",", "") if found else None


def wanted(facts: Mapping[str, Any], record: Record) -> str:
    """The record's answer; of a conversation the last one."""
    value = record[facts["columns"][-1]]
    if not facts["talks"]:
        return str(value)
    return last_answer(value)


def load(config: Config, data: Data) -> Loaded:
    loaded = loaded_model(config)
    if data.facts["talks"] and not loaded.processor.chat_template:
        source = language_model(config.data.model)
        raise ValueError(
            f"the tokenizer of {source} has no chat template, which messages need: take a model "
            "that was made to chat, or the columns prompt and answer"
        )
    if TASK.options(config).packing:
        if _only_text(data):
            raise ValueError("packing is for answers and messages: texts fill their rows already")
        prepare_model(loaded)
    return loaded


def examples(config: Config, loaded: Loaded, data: Data, records: Sequence[Record]) -> list[Record]:
    check_length(config, loaded)
    if _only_text(data):
        texts = [str(record[data.facts["columns"][0]]) for record in records]
        cut = blocks(loaded.processor, texts, config.data.length)
        if not cut:
            raise ValueError(
                f"{len(records)} records have fewer than two tokens in {data.facts['columns'][0]!r}"
            )
        said = f"records{one_a_line(config.data.train)} make {len(cut)} blocks of"
        say(f"{len(records)} {said} {config.data.length} tokens (length)")
        return [{"input_ids": ids, "labels": ids} for ids in cut]
    whole = [_tokens(loaded, data, number, record) for number, record in enumerate(records, 1)]
    say(cut_short([len(ids) for ids, _, _ in whole], config.data.length, context(loaded)))
    return [_example(config, *one) for one in whole]


def streamed(
    config: Config, loaded: Loaded, data: Data, record: Record, rest: list[int]
) -> tuple[list[Record], list[int]]:
    _check(data.facts, [record])
    if not _only_text(data):
        return [_example(config, *_tokens(loaded, data, 1, record))], rest
    text = str(record[data.facts["columns"][0]])
    cut, rest = more_blocks(loaded.processor, text, rest, config.data.length)
    return [{"input_ids": ids, "labels": ids} for ids in cut], rest


def _tokens(
    loaded: Loaded, data: Data, number: int, record: Record
) -> tuple[list[int], list[int], int]:
    """Of a record with an answer: tokens, labels, and how many come before the last answer."""
    columns, where = data.facts["columns"], place(record, number)
    if data.facts["talks"]:
        return conversation(loaded.processor, record[columns[0]], where)
    read, learnt = tokens(loaded.processor, *(str(record[name]) for name in columns))
    for name, ids in zip(columns, (read, learnt), strict=True):
        if not ids:
            raise ValueError(f"{where} has no token in {name!r}")
    return [*read, *learnt], [IGNORED] * len(read) + learnt, len(read)


def _example(config: Config, ids: list[int], labels: list[int], start: int) -> Record:
    both, length = [*zip(ids, labels, strict=True)], config.data.length
    kept = [pair for part in fitted(both[:start], both[start:], length) for pair in part]
    one: Record = {"input_ids": [i for i, _ in kept], "labels": [label for _, label in kept]}
    return one | ({"position_ids": [*range(len(kept))]} if TASK.options(config).packing else {})


def collate(loaded: Loaded) -> Callable[[list[Record]], dict[str, Tensor]]:
    apart = padded(loaded)

    def batch(some: list[Record]) -> dict[str, Tensor]:
        if "position_ids" in some[0]:
            return packed(some, loaded.processor.pad_token_id)
        return apart(some)

    return batch


def predict(
    config: Config,
    loaded: Loaded,
    data: Data,
    records: Sequence[Record],
    examples: Sequence[Record],
    batch_size: int,
) -> list[Record]:
    rows: list[Record] = []
    apart = [{name: one[name] for name in ("input_ids", "labels")} for one in examples]
    for batch in split(loaded, apart, batch_size, collate(loaded)):
        rows += text_losses(loaded.model, **batch)
    for row, example in zip(rows, apart, strict=True):
        learnt = [label for label in example["labels"] if label != IGNORED]
        text = loaded.processor.decode(learnt, skip_special_tokens=True)
        row["bytes"] = len(text.encode())
    if _only_text(data):
        return rows
    options = TASK.options(config)
    some = records if data.facts["numbered"] else _first(data, records, options.samples)
    asked = [_tokens(loaded, data, number, record) for number, record in enumerate(some, 1)]
    prompts = [ids[:start] for ids, _, start in asked]
    texts = written(loaded, prompts, options.new_tokens, batch_size)
    for row, record, text in zip(rows, some, texts, strict=False):
        row |= {"prompt": _prompt(data, record), "wanted": wanted(data.facts, record)}
        row["written"] = text
        if data.facts["numbered"]:
            row["answer"], row["prediction"] = final(row["wanted"]), final(text)
        else:
            named = data.facts["named"]
            row[GUESS] = in_words(record["name"]) if named else data.facts["guess"]
    return rows


def _first(data: Data, records: Sequence[Record], count: int) -> Sequence[Record]:
    """Those of a process's records that are among the first ones of all."""
    first = {id(record) for record in data.test[:count]}
    return [record for record in records if id(record) in first]


def _prompt(data: Data, record: Record) -> str:
    """What comes before the last answer, for people."""
    value = record[data.facts["columns"][0]]
    return before_answer(value) if data.facts["talks"] else str(value)


def metrics(rows: Sequence[Record], data: Data) -> dict[str, float]:
    found = {"perplexity": perplexity(rows)} | per_byte(rows) | agreement(rows)
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
    data,
    load,
    examples,
    collate,
    predict,
    metrics,
    score=score,
    by_tokens=True,
    remembers=True,
    streamed=streamed,
    Options=Options,
    defaults=defaults,
)
