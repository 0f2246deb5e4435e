"""What a language model forgets: its loss on running text that the base model knew.

The text's tokens, one row of them, are cut into blocks of `LENGTH`; each is read by itself, and
begins with the last token of the one before, so that every token but the first is predicted once.
With b_i the bits of block i (minus log2 of the probability of its tokens), n blocks and S bytes of
text in UTF-8,

    loss = sum_i b_i / S   bits a byte,    block i is given as   n b_i / S,                      (1)

so that the mean over blocks is the loss. Bits a byte, unlike nats a token, compare models whose
tokens differ. Forgetting is the loss after training minus that before.

Cost: a forward pass of the text before training and one after it, and of its first blocks at each
validation. Of SmolLM2-135M on a processor a token costs half of what it costs to train on one (4.4
of 8.8 ms), so that the default text of 1573 tokens costs 7.7 % of a training of 20,480 tokens.
"""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

import torch
from torch import Tensor

from scaling.core.batches import device_of
from scaling.core.config import Config
from scaling.core.records import Record
from scaling.core.task import IGNORED, Loaded
from scaling.data.prompts import text_tokens
from scaling.evaluation.label_loss import text_losses
from scaling.evaluation.text_generation import context
from scaling.models.precision import autocast_dtype

LENGTH = 128  # tokens of a block
BATCH = 8  # blocks that are read at once
GLIMPSE = 2  # blocks of the curve along training


class Remembered(NamedTuple):
    """The loss of a model on a text.

    Args:
        blocks: of (1), in bits a byte.
        tokens: how many of the text are predicted.
        bytes: of the text.
    """

    blocks: list[float]
    tokens: int
    bytes: int

    @property
    def loss(self) -> float:
        """Bits a byte."""
        return fmean(self.blocks)

    def in_nats(self, loss: float) -> float:
        """A loss in bits a byte as nats a token."""
        return loss * math.log(2) * self.bytes / self.tokens


def of(config: Config, loaded: Loaded, text: str, most: int | None = None) -> Remembered:
    """The loss of a causal language model on a text: with autocast where its run has it, before
    training too, and without dropout. The model is left in its mode for evaluation.

    Args:
        config: the run, whose precision counts.
        loaded: the model and its tokenizer.
        text: what is read.
        most: read the first blocks alone, so many of them.

    Raises: ValueError for a text of fewer than two tokens.
    """
    model, every = loaded.model, blocks(loaded, text)
    pieces, device = every[:most], device_of(loaded)
    dtype = autocast_dtype(config)
    model.eval()
    rows: list[Record] = []
    with torch.no_grad(), torch.autocast(device.type, dtype, dtype is not None):
        for start in range(0, len(pieces), BATCH):
            batch = _padded(pieces[start : start + BATCH], device)
            labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, IGNORED)
            rows += text_losses(model, labels=labels, **batch)
    size = len(text.encode())
    scale = len(every) / (math.log(2) * size)
    tokens = sum(len(piece) - 1 for piece in every)
    return Remembered([row["loss"] * scale for row in rows], tokens, size)


def _padded(rows: Sequence[list[int]], device: torch.device) -> dict[str, Tensor]:
    width = max(map(len, rows))
    ids = [row + [0] * (width - len(row)) for row in rows]
    held = [[1] * len(row) + [0] * (width - len(row)) for row in rows]
    pair = {"input_ids": ids, "attention_mask": held}
    return {name: torch.tensor(value, device=device) for name, value in pair.items()}


def blocks(loaded: Loaded, text: str) -> list[list[int]]:
    """The tokens of a text in blocks, each after the first with the last token of that before."""
    ids = text_tokens(loaded.processor, text)
    most = min(LENGTH, context(loaded) or LENGTH)
    found = [ids[start : start + most] for start in range(0, len(ids) - 1, most - 1)]
    if not found:
        raise ValueError(f"remember: the text has {len(ids)} tokens, and two are needed")
    return found
