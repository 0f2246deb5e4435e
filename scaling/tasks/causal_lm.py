"""Text from text: a causal language model on plain text, or on the answers to prompts.

Columns: text, or prompt answer; by default "prompt" and "answer" where the first record has both, else "text". Only the
answer's tokens count in the loss. A tokenizer with a chat template wraps the prompt as a user's message. Where every
answer ends in "#### n", as those of school arithmetic do, the model also writes answers, greedily, and n is compared.
"""

import math
import re
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from scaling.batches import device_of, split
from scaling.config import Config
from scaling.reading import check_columns, limited, parts, pretrained
from scaling.task import Data, Loaded, Record, Task

IGNORED = -100  # the label that the loss skips
FINAL = re.compile(r"####\s*(-?[\d.,]*\d)")


def data(config: Config) -> Data:
    train, test = parts(config, _embedded)
    columns = config.columns or (("prompt", "answer") if {"prompt", "answer"} <= train[0].keys() else ("text",))
    if len(columns) > 2:
        raise ValueError(f"columns must be text, or prompt answer, got {len(columns)} of them")
    check_columns([*train, *test], columns)
    numbered = len(columns) == 2 and all(final(str(record[columns[1]])) is not None for record in test)
    return limited(config, Data(train, test, {"columns": columns, "numbered": numbered}))


def _embedded() -> tuple[list[Record], list[Record]]:
    raise ValueError("causal_lm has no data of its own yet: pass --train")


def final(answer: str) -> str | None:
    """The number after the last "####", without thousands separators; None where there is none."""
    found = FINAL.findall(answer)
    return found[-1].replace(",", "") if found else None


def load(config: Config, data: Data) -> Loaded:
    from transformers import AutoModelForCausalLM

    if config.model is None:
        raise ValueError("causal_lm has no model of its own yet: pass --model")
    loaded = pretrained(config, AutoModelForCausalLM, config.model)
    if loaded.processor.pad_token is None:
        if loaded.processor.eos_token is None:
            raise ValueError(f"the tokenizer of {config.model} has neither a padding nor an end token")
        loaded.processor.pad_token = loaded.processor.eos_token
    return loaded


def prompt_of(loaded: Loaded, data: Data, record: Record) -> list[int]:
    """The tokens that come before those that are learnt."""
    if len(data.facts["columns"]) == 1:
        return []
    text = str(record[data.facts["columns"][0]])
    if loaded.processor.chat_template:
        message = [{"role": "user", "content": text}]
        text = loaded.processor.apply_chat_template(message, add_generation_prompt=True, tokenize=False)
        return loaded.processor(text, add_special_tokens=False)["input_ids"]
    return loaded.processor(text + "\n")["input_ids"]


def examples(config: Config, loaded: Loaded, data: Data, records: Sequence[Record]) -> list[Record]:
    end = [] if loaded.processor.eos_token_id is None else [loaded.processor.eos_token_id]
    found = []
    for number, record in enumerate(records, 1):
        prompt = prompt_of(loaded, data, record)
        answer = str(record[data.facts["columns"][-1]])
        learnt = loaded.processor(answer, add_special_tokens=not prompt)["input_ids"] + end
        ids, labels = prompt + learnt, [IGNORED] * len(prompt) + learnt
        if all(label == IGNORED for label in labels[1 : config.length]):
            raise ValueError(f"record {number} has no token to learn among its first {config.length}; raise --length")
        found.append({"input_ids": ids[: config.length], "labels": labels[: config.length]})
    return found


def collate(loaded: Loaded) -> Callable[[list[Record]], dict[str, Tensor]]:
    from transformers import DataCollatorForSeq2Seq  # pads labels with IGNORED; nothing in it needs an encoder

    return DataCollatorForSeq2Seq(loaded.processor, label_pad_token_id=IGNORED)


def predict(
    config: Config, loaded: Loaded, data: Data, records: Sequence[Record], examples: Sequence[Record], batch_size: int
) -> list[Record]:
    rows: list[Record] = []
    for batch in split(loaded, examples, batch_size, collate(loaded)):
        labels = batch.pop("labels")[:, 1:]
        logits = loaded.model(**batch).logits[:, :-1].float()
        losses = F.cross_entropy(logits.mT, labels, ignore_index=IGNORED, reduction="none").sum(1)
        counts = (labels != IGNORED).sum(1)
        rows += [{"loss": a, "tokens": b} for a, b in zip(losses.tolist(), counts.tolist(), strict=True)]
    if data.facts["numbered"]:
        for row, record in zip(rows, records, strict=True):
            row["written"] = _written(config, loaded, prompt_of(loaded, data, record))
            row["answer"], row["prediction"] = final(str(record[data.facts["columns"][1]])), final(row["written"])
    return rows


def _written(config: Config, loaded: Loaded, prompt: list[int]) -> str:
    ids = torch.tensor([prompt], device=device_of(loaded))
    model = loaded.model
    output = model.generate(  # type: ignore[operator]
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=config.length,
        do_sample=False,
        pad_token_id=loaded.processor.pad_token_id,
    )
    return loaded.processor.decode(output[0, len(prompt) :], skip_special_tokens=True)


def metrics(rows: Sequence[Record], data: Data) -> dict[str, float]:
    mean = sum(row["loss"] for row in rows) / sum(row["tokens"] for row in rows)
    found = {"perplexity": math.exp(min(mean, 700.0))}
    if data.facts["numbered"]:
        right = [row["prediction"] == row["answer"] for row in rows]
        found = {"exact_match": sum(right) / len(right)} | found
    return found


TASK = Task(data, load, examples, collate, predict, metrics, by_tokens=True)
