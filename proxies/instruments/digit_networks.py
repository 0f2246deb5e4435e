"""The two networks that are trained once and kept: the base model, and the classifier in whose
features images are compared.

Both come back as lists of numbers, for the run store, and are read again by `read` and `Judge`.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from proxies.instruments import digit_targets, flow_matching

BASE_BATCH, BASE_RATE = 256, 2e-3
JUDGE_WIDTHS = (digit_targets.PIXELS, 128, 64, digit_targets.LABELS)
JUDGE_STEPS, JUDGE_BATCH, JUDGE_NOISE = 2000, 128, 0.1
TAIL = 200  # last steps over which the base model's loss is averaged


class Linear(NamedTuple):
    """W (out, in) and b (out,)."""

    W: Tensor
    b: Tensor


def _listed(layers: list[nn.Linear]) -> list[dict[str, Any]]:
    return [{"W": layer.weight.tolist(), "b": layer.bias.tolist()} for layer in layers]


def read(layers: list[dict[str, Any]]) -> list[Linear]:
    return [Linear(torch.tensor(layer["W"]), torch.tensor(layer["b"])) for layer in layers]


def base(steps: int, seed: int) -> dict[str, Any]:
    """The base model's layers, trained on the seen digits by Adam under one cycle of learning
    rates; its loss at the end."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # torch initializes a module from the global generator alone
        net = flow_matching.Flow()
    rng, data = Generator().manual_seed(seed + 1), digit_targets.of(digit_targets.SEEN)
    optimizer = torch.optim.Adam(net.parameters(), BASE_RATE)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, BASE_RATE, steps)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        x, t, v = flow_matching.draws(data, BASE_BATCH, rng)
        value = flow_matching.loss(net(x, t), v)
        value.backward()
        optimizer.step()
        cycle.step()
        losses.append(value.item())
    tail = losses[-TAIL:]
    return {
        "layers": _listed([m for m in net.layers if isinstance(m, nn.Linear)]),
        "loss": sum(tail) / len(tail),
    }


def judge(seed: int) -> dict[str, Any]:
    """The layers of a classifier of all images in both styles, and its share of right labels. It
    measures, so it may see them all."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [nn.Linear(in_, out) for in_, out in pairwise(JUDGE_WIDTHS)]
    net = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    rng, (x, y) = Generator().manual_seed(seed + 1), digit_targets.both_styles()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3, weight_decay=1e-5)
    for _ in range(JUDGE_STEPS):
        index = torch.randint(len(x), (JUDGE_BATCH,), generator=rng)
        noise = JUDGE_NOISE * torch.randn(JUDGE_BATCH, digit_targets.PIXELS, generator=rng)
        optimizer.zero_grad()
        F.cross_entropy(net(x[index] + noise), y[index]).backward()
        optimizer.step()
    return {"layers": _listed(layers), "accuracy": float((net(x).argmax(-1) == y).float().mean())}


class Judge:
    """The classifier: features and labels of images.

    Args:
        layers: as `judge` gives them.
    """

    def __init__(self, layers: list[dict[str, Any]]) -> None:
        self.layers = read(layers)

    def hidden(self, x: Tensor) -> Tensor:
        for W, b in self.layers[:-1]:
            x = F.linear(x, W, b).relu()
        return x

    def embed(self, x: Tensor) -> Tensor:
        """Features of unit length, (..., 64)."""
        return F.normalize(self.hidden(x), dim=-1)

    def labels(self, x: Tensor) -> Tensor:
        return F.linear(self.hidden(x), *self.layers[-1]).argmax(-1)
