"""Nets pretrained on scikit-learn's digits, and the tasks that they are adapted to: images turned,
labels permuted.

A seed is a split, a net and a permutation. Images of the test and validation splits are never
trained on, in any form.
"""

from functools import cache
from typing import NamedTuple

import torch
from sklearn.datasets import load_digits
from torch import Generator, Tensor

from proxies.families.asymmetry.trials.networks import Nets, pretrain

TRAIN, VALIDATION = 1000, 300  # the other 497 are for the test
OTHER_STREAM = 10**6  # added to a seed for draws that must not repeat those of the net
TURNS = {
    "flipped": lambda images: images.flip(-1),
    "rotated": lambda images: images.rot90(1, (-2, -1)),
    "transposed": lambda images: images.mT,
}


class Split(NamedTuple):
    """x (problems, n, 64) in [0, 1] and labels y (problems, n)."""

    x: Tensor
    y: Tensor


class Task(NamedTuple):
    train: Split
    validation: Split
    test: Split


def _images() -> tuple[Tensor, Tensor]:
    pixels, labels = load_digits(return_X_y=True)
    return torch.tensor(pixels, dtype=torch.float32).view(-1, 8, 8) / 16, torch.tensor(labels)


def _order(seed: int, n: int) -> Tensor:
    return torch.randperm(n, generator=Generator().manual_seed(seed + OTHER_STREAM))


@cache
def bases(seeds: tuple[int, ...]) -> Nets:
    """One net a seed, pretrained on its 1000 training images as they are."""
    images, labels = _images()
    chosen = torch.stack([_order(seed, len(labels))[:TRAIN] for seed in seeds])
    return pretrain(images.flatten(1)[chosen], labels[chosen], seeds)


def task(seeds: tuple[int, ...], turns: tuple[str, ...], samples: int) -> Task:
    """For each seed the images turned and the labels permuted; `samples` of the training split."""
    images, labels = _images()
    turned, permuted = [], []
    for seed, turn in zip(seeds, turns, strict=True):
        # a stream of its own for each turn, so that two tasks of one seed have two permutations
        rng = Generator().manual_seed(
            2 * OTHER_STREAM + len(TURNS) * seed + list(TURNS).index(turn)
        )
        order = _order(seed, len(labels))
        turned.append(TURNS[turn](images)[order].flatten(1))
        permuted.append(torch.randperm(10, generator=rng)[labels[order]])
    x, y = torch.stack(turned), torch.stack(permuted)
    parts = (slice(samples), slice(TRAIN, TRAIN + VALIDATION), slice(TRAIN + VALIDATION, None))
    return Task(*(Split(x[:, part], y[:, part]) for part in parts))
