"""The loss of texts, token by token, for the tasks whose models write."""

import math
from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from scaling.core.records import Record
from scaling.core.task import IGNORED


def token_losses(logits: Tensor, labels: Tensor) -> list[Record]:
    """{"loss", "tokens"} of each text of a batch, the sum over its labels and their number: of
    logits (batch, tokens, vocabulary) that predict labels (batch, tokens) place by place."""
    losses = F.cross_entropy(logits.float().mT, labels, ignore_index=IGNORED, reduction="none").sum(
        1
    )
    counts = (labels != IGNORED).sum(1)
    return [{"loss": a, "tokens": b} for a, b in zip(losses.tolist(), counts.tolist(), strict=True)]


def per_byte(rows: Sequence[Record]) -> dict[str, float]:
    """The loss of a token in nats, and of a byte of text in bits, which does not depend on the
    tokenizer; of rows with {"loss", "tokens", "bytes"}."""
    total = sum(row["loss"] for row in rows)
    size = max(1, sum(row["bytes"] for row in rows))
    tokens = sum(row["tokens"] for row in rows)
    return {"loss": total / tokens, "bits_per_byte": total / math.log(2) / size}


def perplexity(rows: Sequence[Record]) -> float:
    mean = sum(row["loss"] for row in rows) / sum(row["tokens"] for row in rows)
    return math.exp(min(mean, 700.0))
