"""Two tasks on text: which package a docstring, or the code of a function, is from.

One linear layer of MiniLM is adapted, the last dense one, (384, 1536), at the first token; after it
come the residual, its LayerNorm and a frozen probe fitted on other texts. Every seed has texts of
its own, none of which another seed reads.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from proxies.families.gradient_signal.claims.setting import PACKAGES, PROBE, SPLIT_SIZES
from proxies.families.gradient_signal.trials import text
from proxies.families.gradient_signal.trials.tasks.task import (
    SPLITS,
    Task,
    Update,
    Weights,
    stacked,
)
from proxies.instruments import digits as pictures

EACH = (PROBE + sum(SPLIT_SIZES["docstrings"])) // len(PACKAGES)  # texts of a package a seed


def docstrings(seeds: Sequence[int], block: int) -> Task:
    return _task(text.docstrings, seeds, block)


def code(seeds: Sequence[int], block: int) -> Task:
    return _task(text.code, seeds, block)


class Tail(nn.Module):
    """What follows the input x of MiniLM's last dense layer at one token, up to the classes."""

    def __init__(self, dense: nn.Linear, norm: nn.LayerNorm, W: Tensor, b: Tensor) -> None:
        super().__init__()
        self.dense, self.norm, self.W, self.b = dense, norm, W, b

    def forward(self, x: Tensor) -> Tensor:
        x, base = x[..., : -text.WIDTH], x[..., -text.WIDTH :]
        h = self.dense(x)
        return self.norm(h - h.detach() + base) @ self.W.mT + self.b


def first_tokens(source: text.Source, parts: int, block: int) -> tuple[Tensor, Tensor]:
    """(texts, 1536 + 384): input of the last dense layer, and what the LayerNorm after it reads;
    the classes. The texts of one part after the other."""
    _, model = text.language_model()
    texts, labels = text.labelled(source, EACH, range(parts), block)
    batch, found = text.tokens(texts), []
    last = model.encoder.layer[-1]
    # nothing after the last attention mixes tokens, so that the others may end there
    first = lambda module, args: tuple(states[:, :1] for states in args)
    keep = lambda module, args: found.append(
        torch.cat([args[0], last.output.dense(args[0]) + args[1]], -1).squeeze(1)
    )
    handles = [
        last.attention.output.register_forward_pre_hook(first),
        last.output.register_forward_pre_hook(keep),
    ]
    # texts of one length go together, which need no padding
    order = batch["attention_mask"].sum(1).argsort()
    try:
        with torch.no_grad():
            for some in text.split({name: value[order] for name, value in batch.items()}, 64):
                longest = int(some["attention_mask"].sum(1).max())
                model(**{name: value[:, :longest] for name, value in some.items()})
    finally:
        for handle in handles:
            handle.remove()
    return torch.cat(found)[order.argsort()], labels


def _task(source: text.Source, seeds: Sequence[int], block: int) -> Task:
    _, language_model = text.language_model()
    last = language_model.encoder.layer[-1].output
    dense, norm = last.dense, last.LayerNorm
    features, classes = first_tokens(source, len(seeds), block)
    examples: dict[str, list[tuple[Tensor, ...]]] = {name: [] for name in SPLITS}
    heads = []
    for seed, x, y in zip(
        seeds, features.chunk(len(seeds)), classes.chunk(len(seeds)), strict=True
    ):
        order = pictures.order(seed, len(y))
        chosen, *rest, _ = pictures.parts(order, (PROBE, *SPLIT_SIZES["docstrings"]))
        with torch.no_grad():
            states = norm(x[chosen, -text.WIDTH :])
        heads.append(text.probe(states, y[chosen], len(PACKAGES), seed))
        for name, indices in zip(SPLITS, rest, strict=True):
            examples[name].append((x[indices], y[indices]))

    def forward(weights: Weights, x: Tensor, update: Update) -> Tensor:
        W, b = weights
        x, base = x[..., : -text.WIDTH], x[..., -text.WIDTH :]
        return norm(base + update(0, x)) @ W.mT + b[:, None]

    data = {name: stacked(of_seeds) for name, of_seeds in examples.items()}
    return Task(
        {name: (x, y) for name, (x, y) in data.items()},
        [tuple(dense.weight.shape)],
        ("dense",),
        stacked(heads),
        forward,
        lambda weights: Tail(dense, norm, *weights),
    )
