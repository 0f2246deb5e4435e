"""Answers to questions about images, by any model that transformers calls image-text-to-text.

Columns: image question answer, which are the defaults; an image is whatever scaling.data.images
reads. The question is a user's message in the processor's chat template where it has one, else it
follows the image's token. Only the answer's tokens, and the end, are learnt. `length` counts the
text's tokens, and not those that stand for the image; a longer answer is cut. The answers are also
written, greedily, and compared: exact_match regardless of case and of space around, token_f1 by
their words.

"all-linear" adapts the vision tower, the projector and the language model alike, without the output
head, embeddings and the convolution that reads patches; `--exclude-modules` leaves parts out, by
the names of their layers.

Without files: a small LLaVA that can say which digit it sees, whether it is even and whether it is
more than four, learns to say which digit comes after it and whether it is less than four. No digit
is in both parts.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from scaling.core.batches import split
from scaling.core.config import Config
from scaling.core.records import Record, check_columns, place
from scaling.core.task import Data, Loaded, Task
from scaling.data.columns import columns_of
from scaling.data.data_files import limited, parts
from scaling.data.digit_questions import new
from scaling.data.image_prompts import batch_of, prompt_of, special
from scaling.data.images import located
from scaling.evaluation.label_loss import text_losses
from scaling.evaluation.rouge import rouge
from scaling.evaluation.token_loss import perplexity
from scaling.models.loading import pretrained
from scaling.pretrained import folder_of


def data(config: Config) -> Data:
    train, test = parts(config, lambda: new(config))
    columns = columns_of(config.data.task, config.data.columns, train[0])
    check_columns([*train, *test], columns, columns[1:])
    return limited(config, Data(*located(config, (train, test), columns[0]), {"columns": columns}))


def load(config: Config, data: Data) -> Loaded:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    source = config.data.model or folder_of("llava")
    loaded = pretrained(config, AutoModelForImageTextToText, source, AutoProcessor)
    check(source, loaded.model.config, loaded.processor)
    return loaded


def check(source: str, settings: Any, processor: Any) -> None:
    """Raise ValueError for a model that does not go on with its prompt, one token from those before
    it; give its tokenizer a padding token where it has none."""
    if settings.is_encoder_decoder or settings.model_type == "paligemma":
        raise ValueError(
            f"{source} is a {settings.model_type}, which does not read a question and its answer "
            "from left to right as "
            "one text; vision_language needs a model that does"
        )
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None:
        raise ValueError(f"{source} has no processor of images and text together")
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise ValueError(f"the tokenizer of {source} has neither a padding nor an end token")
        tokenizer.pad_token = tokenizer.eos_token


def examples(config: Config, loaded: Loaded, data: Data, records: Sequence[Record]) -> list[Record]:
    image, question, answer = data.facts["columns"]
    tokenizer, found = loaded.processor.tokenizer, []
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    for number, record in enumerate(records, 1):
        prompt = prompt_of(loaded.processor, str(record[question]))
        taken = len(
            tokenizer(prompt, add_special_tokens=special(loaded.processor, prompt))["input_ids"]
        )
        learnt = tokenizer(str(record[answer]), add_special_tokens=False)["input_ids"] + end
        if taken >= config.data.length or not learnt:
            raise ValueError(
                f"{place(record, number)} has no token to learn: its question takes {taken} of "
                f"{config.data.length}; raise --length"
            )
        kept = learnt[: config.data.length - taken]
        found.append({"prompt": prompt, "image": record[image], "answer": kept})
    return found


def collate(loaded: Loaded) -> Callable[[list[Record]], dict[str, Tensor]]:
    return lambda examples: batch_of(loaded.processor, examples, answered=True)


def predict(
    config: Config,
    loaded: Loaded,
    data: Data,
    records: Sequence[Record],
    examples: Sequence[Record],
    batch_size: int,
) -> list[Record]:
    _, question, answer = data.facts["columns"]
    model, processor, losses, written = loaded.model, loaded.processor, [], []
    for batch in split(loaded, examples, batch_size, collate(loaded)):
        losses += text_losses(model, **batch)
    for batch in split(
        loaded, examples, batch_size, lambda some: batch_of(processor, some, answered=False)
    ):
        output = model.generate(  # type: ignore[operator]
            **batch,
            max_new_tokens=config.data.length,
            do_sample=False,
            pad_token_id=processor.tokenizer.pad_token_id,
        )
        new = output[:, batch["input_ids"].shape[1] :]
        written += processor.tokenizer.batch_decode(new, skip_special_tokens=True)
    return [
        {"question": str(record[question]), "answer": str(record[answer]), "prediction": text}
        | loss
        for record, text, loss in zip(records, written, losses, strict=True)
    ]


def metrics(rows: Sequence[Record], data: Data) -> dict[str, float]:
    exact = [score(row) for row in rows]
    shared = [rouge(row["answer"], row["prediction"])["rouge1"] for row in rows]
    return {
        "exact_match": sum(exact) / len(exact),
        "token_f1": sum(shared) / len(shared),
        "perplexity": perplexity(rows),
    }


def score(row: Record) -> float:
    """Whether the answer is right, whatever its case."""
    return float(row["answer"].strip().casefold() == row["prediction"].strip().casefold())


TASK = Task(data, load, examples, collate, predict, metrics, score=score, by_tokens=True)
