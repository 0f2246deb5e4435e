"""Two tasks on pictures, for a network of three linear layers with ReLU between them, each of which
has an adapter.

digits       64-64-64-10, trained on scikit-learn's upright digits and adapted to digits turned by
             90 degrees. A seed splits the one data set anew.
photographs  48-64-64-16, which predicts the 4 x 4 pixels inside of an 8 x 8 patch from the 48
             around them; trained on patches of china.jpg and adapted to flower.jpg. Every seed has
             patches of the flower of its own.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from torch import Generator, Tensor, nn

from proxies.families.gradient_signal.claims.setting import SPLIT_SIZES
from proxies.families.gradient_signal.trials.tasks.task import (
    SPLITS,
    Loss,
    Task,
    Update,
    Weights,
    cross_entropy,
    no_update,
    square_error,
)
from proxies.instruments import digits as pictures

HIDDEN, STEPS, RATE = 64, 150, 3e-3  # of the network's training, by Adam on all its examples
SIDE, MARGIN = 8, 2  # of a patch, and of the frame from which its inside is predicted
SEEN = 2000  # patches of china.jpg on which a network is trained


def digits(seeds: Sequence[int], block: int) -> Task:
    del block  # there is one data set, which every seed splits
    images, labels = pictures.digits()
    upright, turned = images.flatten(1), images.rot90(1, (1, 2)).flatten(1)
    # the network is trained on the rest, so that it has seen none of the adapter's digits
    *splits, rest = zip(
        *(pictures.parts(pictures.order(seed), SPLIT_SIZES["digits"]) for seed in seeds),
        strict=True,
    )
    data = {
        name: (turned[torch.stack(orders)], labels[torch.stack(orders)])
        for name, orders in zip(SPLITS, splits, strict=True)
    }
    rest = torch.stack(rest)
    return _adapted(data, (upright[rest], labels[rest]), (64, HIDDEN, HIDDEN, 10), seeds)


def photographs(seeds: Sequence[int], block: int) -> Task:
    (frames, insides), sizes = patches("flower.jpg"), SPLIT_SIZES["photographs"]
    order = pictures.order(block, len(frames))
    if (whole := sum(sizes)) * len(seeds) > len(order):
        raise ValueError(f"flower.jpg has {len(order)} patches, too few for {len(seeds)} seeds")
    own = order[: whole * len(seeds)].view(len(seeds), whole).split(sizes, 1)
    data = {n: (frames[i], insides[i]) for n, i in zip(SPLITS, own, strict=True)}
    frames, insides = patches("china.jpg")
    seen = torch.stack([pictures.order(seed, len(frames))[:SEEN] for seed in seeds])
    widths = (frames.shape[1], HIDDEN, HIDDEN, insides.shape[1])
    return _adapted(data, (frames[seen], insides[seen]), widths, seeds, square_error)


@cache
def patches(name: str) -> tuple[Tensor, Tensor]:
    """Frame (patches, 48) and inside (patches, 16) of every patch of a photograph in grey, side by
    side without overlap, from 0 to 1."""
    from sklearn.datasets import load_sample_image  # slow to import

    grey = torch.from_numpy(np.asarray(load_sample_image(name), np.float32).mean(2) / 255)
    rows, columns = (n // SIDE for n in grey.shape)
    cut = grey[: rows * SIDE, : columns * SIDE].view(rows, SIDE, columns, SIDE).transpose(1, 2)
    cut = cut.reshape(-1, SIDE, SIDE)
    inside = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    inside[MARGIN:-MARGIN, MARGIN:-MARGIN] = True
    return cut[:, ~inside], cut[:, inside]


def _forward(weights: Weights, x: Tensor, update: Update) -> Tensor:
    layers = list(zip(weights[::2], weights[1::2], strict=True))
    for i, (W, b) in enumerate(layers):
        h = x @ W.mT + b[:, None] + update(i, x)
        x = h.relu() if i < len(layers) - 1 else h
    return x


def _module(weights: Weights) -> nn.Module:
    modules: list[nn.Module] = []
    for W, b in zip(weights[::2], weights[1::2], strict=True):
        linear = nn.Linear(W.shape[1], W.shape[0])
        linear.weight.data, linear.bias.data = W.clone(), b.clone()
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def _adapted(
    data: dict[str, tuple[Tensor, Tensor]],
    seen: tuple[Tensor, Tensor],
    widths: tuple[int, ...],
    seeds: Sequence[int],
    loss: Loss = cross_entropy,
) -> Task:
    """A network a seed, trained on what it has `seen`, that is to be adapted to `data`."""
    shapes = list(zip(widths[1:], widths, strict=False))
    rngs = [Generator().manual_seed(seed) for seed in seeds]
    weights: list[Tensor] = []
    for out, in_ in shapes:
        W = torch.stack([torch.randn(out, in_, generator=rng) for rng in rngs])
        weights += [(2 / in_) ** 0.5 * W, torch.zeros(len(seeds), out)]
    weights = [w.requires_grad_() for w in weights]
    optimizer = torch.optim.Adam(weights, RATE)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss(_forward(tuple(weights), seen[0], no_update), seen[1]).mean(1).sum().backward()
        optimizer.step()
    frozen = tuple(w.detach() for w in weights)
    return Task(data, shapes, ("0", "2", "4"), frozen, _forward, _module, loss)
