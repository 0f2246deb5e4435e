"""A question about an image as a processor of images and text wants it, and batches of them with
their answers.

The processor alone knows how many tokens stand for an image, so it is called on each batch; what it
gives for the prompts is joined with the answers' tokens, which are thus the same when they are
learnt as when they are written.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from scaling.core.records import Record
from scaling.core.task import IGNORED
from scaling.data.images import decoded


def prompt_of(processor: Any, question: str) -> str:
    """A user's message by the chat template, else the image's token and the question on a line
    each."""
    if processor.chat_template:
        content = [{"type": "image"}, {"type": "text", "text": question}]
        message = [{"role": "user", "content": content}]
        return processor.apply_chat_template(message, add_generation_prompt=True, tokenize=False)
    image = getattr(processor, "image_token", None)  # some put it there by themselves
    return f"{image}\n{question}\n" if image else f"{question}\n"


def special(processor: Any, prompt: str) -> bool:
    """Whether the tokenizer has to open the prompt, which a template may have done."""
    start = processor.tokenizer.bos_token
    return not (start and prompt.startswith(start))


def batch_of(processor: Any, examples: Sequence[Record], answered: bool) -> dict[str, Tensor]:
    """{"prompt", "image", "answer"} as what a model takes: with the answers and labels, padded on
    the right, or without them, padded on the left, from where a model writes on."""
    prompts = [example["prompt"] for example in examples]
    encoded = processor(
        images=[[decoded(example["image"])] for example in examples],
        text=prompts,
        padding=True,
        return_tensors="pt",
        add_special_tokens=special(processor, prompts[0]),
    )
    shown = encoded["attention_mask"].bool()
    answers = [
        torch.tensor(example["answer"] if answered else [], dtype=torch.long)
        for example in examples
    ]

    def joined(parts: Tensor | Sequence[Tensor], ends: Sequence[Tensor], fill: int) -> Tensor:
        rows = [torch.cat((part, end)) for part, end in zip(parts, ends, strict=True)]
        return pad_sequence(
            rows, batch_first=True, padding_value=fill, padding_side="right" if answered else "left"
        )

    batch = dict(encoded)
    for name in (name for name, value in encoded.items() if value.shape == shown.shape):
        prompt = [row[seen] for row, seen in zip(encoded[name], shown, strict=True)]
        if name == "input_ids":
            batch[name] = joined(prompt, answers, processor.tokenizer.pad_token_id)
        else:
            batch[name] = joined(
                prompt, [torch.full_like(a, name == "attention_mask") for a in answers], 0
            )
    if answered:
        unlearnt = [torch.full((int(count),), IGNORED) for count in shown.sum(1)]
        batch["labels"] = joined(unlearnt, answers, IGNORED)
    return batch
