"""Networks pretrained on scikit-learn's digits, and the tasks that they are adapted to: images
turned, labels permuted.

A seed is a split, a network and a permutation. Images of the test and validation splits are never
trained on, in any form.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from proxies.families.asymmetry.trials.networks import Nets, Split, pretrain
from proxies.instruments.digits import CLASSES, digits, order, parts

SIZES = (1000, 300)  # for training and validation; the other 497 are for the test
OTHER_STREAM = 10**6  # added to a seed for draws that must not repeat those of the network
TURNS = {
    "flipped": lambda images: images.flip(-1),
    "rotated": lambda images: images.rot90(1, (-2, -1)),
    "transposed": lambda images: images.mT,
}


class Task(NamedTuple):
    train: Split
    validation: Split
    test: Split


def shuffled(seed: int) -> tuple[Tensor, ...]:
    """The images of the training, validation and test split of a seed."""
    return parts(order(seed + OTHER_STREAM), SIZES)


@cache
def pretrained(seeds: tuple[int, ...]) -> Nets:
    """One network a seed, pretrained on its 1000 training images as they are."""
    images, labels = digits()
    chosen = torch.stack([shuffled(seed)[0] for seed in seeds])
    return pretrain(Split(images.flatten(1)[chosen], labels[chosen]), seeds)


def turns_of(seeds: int) -> tuple[str, ...]:
    """The tasks of consecutive seeds: each in its turn."""
    return tuple(list(TURNS)[i % len(TURNS)] for i in range(seeds))


def task(seeds: Sequence[int], turns: Sequence[str], samples: int) -> Task:
    """For each seed the images turned and the labels permuted; `samples` of the training split."""
    images, labels = digits()
    tasks = []
    for seed, turn in zip(seeds, turns, strict=True):
        # a stream of its own for each turn, so that two tasks of one seed have two permutations
        stream = 2 * OTHER_STREAM + len(TURNS) * seed + list(TURNS).index(turn)
        permuted = order(stream, CLASSES)[labels]
        train, *held_out = shuffled(seed)
        x = TURNS[turn](images).flatten(1)
        tasks.append([Split(x[part], permuted[part]) for part in (train[:samples], *held_out)])
    across = zip(*tasks, strict=True)
    return Task(*(Split(*map(torch.stack, zip(*splits, strict=True))) for splits in across))
