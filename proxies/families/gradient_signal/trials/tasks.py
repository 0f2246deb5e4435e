"""Two small adaptation tasks on real data, stacked over seeds so that all their runs train side by
side.

digits      a network 64-64-64-10 trained on upright digits, adapted to digits turned by 90 degrees;
            every layer has an adapter
docstrings  which package a docstring is from: the last dense layer of MiniLM at the first token,
            its residual and LayerNorm, and a frozen probe fitted on other docstrings; that layer
            has the adapter

Each seed splits the data anew. An adapter is trained on `train`; `choose` picks the learning rate,
`test` is reported.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from proxies.families.gradient_signal.trials import text
from proxies.instruments import digits as pictures

HIDDEN = 64
SHOTS, CHOOSE, TEST = 600, 240, 240
POOL = 200  # docstrings of each package
PROBE = 120  # of them all, for the frozen probe
SPLITS = ("train", "choose", "test")

Rows = Sequence[Tensor]
# the adapter of a layer, by its number, applied to that layer's input
Update = Callable[[int, Tensor], Tensor]


@dataclass(frozen=True)
class Task:
    """Data (seeds, examples, ...) by split, the adapted layers' (out, in), and the network in two
    forms.

    `logits(x, update)` is the network of all seeds at once, for x (seeds, batch, ...) with any
    leading axes that `update` adds; `model(i)` is that of seed i as a module, whose layers `layers`
    names, for `lora.collect`.
    """

    data: dict[str, tuple[Tensor, ...]]
    shapes: list[tuple[int, int]]
    logits: Callable[[Tensor, Update], Tensor]
    model: Callable[[int], nn.Module]
    layers: tuple[str, ...]


def loss_of(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def _stack(parts: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return tuple(torch.stack(values) for values in zip(*parts, strict=True))


def digits(seeds: Sequence[int]) -> Task:
    images, labels = pictures.digits()
    upright, turned = images.flatten(1), images.rot90(1, (1, 2)).flatten(1)
    # the network is trained on the rest, so that it has seen none of the adapter's digits
    *splits, rest = zip(
        *(pictures.parts(pictures.order(seed), (SHOTS, CHOOSE, TEST)) for seed in seeds),
        strict=True,
    )
    data = {
        name: tuple(torch.stack([values[o] for o in orders]) for values in (turned, labels))
        for name, orders in zip(SPLITS, splits, strict=True)
    }
    widths = ((64, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 10))
    rngs = [Generator().manual_seed(seed) for seed in seeds]
    draw = lambda *shape: torch.stack([torch.randn(*shape, generator=rng) for rng in rngs])
    W = [(2 / in_) ** 0.5 * draw(out, in_) for in_, out in widths]
    b = [draw(1, out) * 0 for _, out in widths]
    parameters = [p.requires_grad_() for p in W + b]
    x, y = (torch.stack([values[o] for o in rest]) for values in (upright, labels))
    optimizer = torch.optim.Adam(parameters, 3e-3)

    def logits(x: Tensor, update: Update) -> Tensor:
        for i in range(3):
            h = x @ W[i].mT + b[i] + update(i, x)
            x = h.relu() if i < 2 else h
        return x

    for _ in range(150):
        optimizer.zero_grad()
        F.cross_entropy(logits(x, lambda i, x: x.new_zeros(())).flatten(0, 1), y.flatten()).mul(
            len(seeds)
        ).backward()
        optimizer.step()
    for parameter in parameters:
        parameter.requires_grad_(False)

    def model(seed: int) -> nn.Module:
        modules: list[nn.Module] = []
        for i, (in_, out) in enumerate(widths):
            linear = nn.Linear(in_, out)
            linear.weight.data, linear.bias.data = W[i][seed].clone(), b[i][seed, 0].clone()
            modules += [linear, nn.ReLU()] if i < 2 else [linear]
        return nn.Sequential(*modules)

    return Task(data, [(out, in_) for in_, out in widths], logits, model, ("0", "2", "4"))


class Tail(nn.Module):
    """What follows the input x of MiniLM's last dense layer at one token, up to the classes."""

    def __init__(self, dense: nn.Linear, norm: nn.LayerNorm, W: Tensor, b: Tensor) -> None:
        super().__init__()
        self.dense, self.norm, self.W, self.b = dense, norm, W, b

    def forward(self, x: Tensor) -> Tensor:
        x, base = x[..., : -text.WIDTH], x[..., -text.WIDTH :]
        h = self.dense(x)
        return self.norm(h - h.detach() + base) @ self.W.mT + self.b


@cache
def _first_tokens() -> tuple[Tensor, Tensor]:
    """(docstrings, 1536 + 384): input of the last dense layer, and what the LayerNorm after it
    reads; the classes."""
    _, model = text.language_model()
    texts, labels = text.labelled(POOL, 1000)
    last, found = model.encoder.layer[-1].output, []
    keep = lambda module, args: found.append(
        torch.cat([args[0][:, 0], last.dense(args[0][:, 0]) + args[1][:, 0]], 1)
    )
    handle = last.register_forward_pre_hook(keep)
    try:
        with torch.no_grad():
            for batch in text.split(text.tokens(texts), 64):
                model(**batch)
    finally:
        handle.remove()
    return torch.cat(found), labels


def docstrings(seeds: Sequence[int]) -> Task:
    _, language_model = text.language_model()
    last = language_model.encoder.layer[-1].output
    x, labels = _first_tokens()
    with torch.no_grad():
        states = last.LayerNorm(x[:, -text.WIDTH :])
    examples: dict[str, list[tuple[Tensor, ...]]] = {name: [] for name in SPLITS}
    heads = []
    for seed in seeds:
        order = pictures.order(seed, len(labels))
        chosen, *rest = pictures.parts(order, (PROBE, SHOTS, CHOOSE))
        heads.append(text.probe(states[chosen], labels[chosen], len(text.PACKAGES), seed))
        for name, indices in zip(SPLITS, rest, strict=True):
            examples[name].append((x[indices], labels[indices]))
    W, b = _stack(heads)
    dense, norm = last.dense, last.LayerNorm

    def logits(x: Tensor, update: Update) -> Tensor:
        x, base = x[..., : -text.WIDTH], x[..., -text.WIDTH :]
        return norm(base + update(0, x)) @ W.mT + b[:, None]

    data = {name: _stack(of_seeds) for name, of_seeds in examples.items()}
    shapes = [tuple(dense.weight.shape)]
    return Task(data, shapes, logits, lambda i: Tail(dense, norm, W[i], b[i]), ("dense",))


TASKS = {"digits": digits, "docstrings": docstrings}
