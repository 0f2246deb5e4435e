"""What small networks are pretrained on, and the tasks that they are adapted to: inputs turned,
labels permuted.

A seed is a split, a network and a permutation. Of scikit-learn's digits and its breast cancer data
a seed is a new split of one pool; of the synthetic population it is new data, from a new teacher.
Samples of the test and validation splits are never trained on, in any form.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from proxies.families.asymmetry.trials.networks import Nets, Split, pretrain
from proxies.instruments.digits import digits, order, parts

DRAWN = 300  # samples in the place of a part of the pool, for a population without one
OTHER_STREAM = 10**6  # added to a seed for draws that must not repeat those of the network
TURNS = {
    "flipped": lambda pictures: pictures.flip(-1),
    "rotated": lambda pictures: pictures.rot90(1, (-2, -1)),
    "transposed": lambda pictures: pictures.mT,
}


@dataclass(frozen=True)
class Population:
    """Where samples come from, and the network for them.

    Args:
        widths: of the network, from the inputs to the classes.
        picture: rows and columns into which the inputs are written to be turned.
        sizes: samples for training, for validation and for the test.
        pool: how many samples there are, of which every seed is a split; 0 where each seed draws
            its own.
    """

    widths: tuple[int, ...]
    picture: tuple[int, int]
    sizes: tuple[int, int, int]
    pool: int = 0

    @property
    def classes(self) -> int:
        return self.widths[-1]


POPULATIONS = {
    "digits": Population((64, 128, 128, 10), (8, 8), (1200, 200, 397), 1797),
    "breast cancer": Population((30, 64, 64, 2), (5, 6), (300, 100, 169), 569),
    "synthetic": Population((32, 96, 96, 10), (4, 8), (1000, 300, 1000)),
    "synthetic, 64 classes": Population((32, 96, 96, 64), (4, 8), (1000, 300, 1000)),
}


class Task(NamedTuple):
    train: Split
    validation: Split
    test: Split


@cache
def pool(name: str) -> tuple[Tensor, Tensor]:
    """Every sample with its label: pixels between 0 and 1, or features of mean 0 and variance 1."""
    if name == "digits":
        images, labels = digits()
        return images.flatten(1), labels
    from sklearn.datasets import load_breast_cancer  # slow to import

    x, y = load_breast_cancer(return_X_y=True)
    standard = (x - np.mean(x, axis=0)) / np.std(x, axis=0)
    return torch.tensor(standard, dtype=torch.float32), torch.tensor(y)


def taught(name: str, seed: int) -> tuple[Tensor, Tensor]:
    """Gaussian inputs of variance proportional to 1/i, 1 on average, labelled by the largest output
    of a random teacher, V tanh(W x) with 64 hidden units."""
    population = POPULATIONS[name]
    (in_, classes), count = population.widths[:: len(population.widths) - 1], sum(population.sizes)
    rng = Generator().manual_seed(seed + OTHER_STREAM)
    variances = 1 / torch.arange(1.0, in_ + 1)
    variances /= variances.mean()
    W, V = torch.randn(64, in_, generator=rng) / in_**0.5, torch.randn(classes, 64, generator=rng)
    x = torch.randn(count, in_, generator=rng) * variances.sqrt()
    return x, ((x @ W.mT).tanh() @ V.mT).argmax(-1)


def samples_of(name: str, seed: int) -> tuple[Tensor, Tensor]:
    """A seed's samples in its order: the first sizes[0] are for training, and so on."""
    if not POPULATIONS[name].pool:
        return taught(name, seed)
    x, y = pool(name)
    chosen = order(seed + OTHER_STREAM, len(x))
    return x[chosen], y[chosen]


def piece_of(name: str, seed: int, index: int, count: int) -> tuple[Tensor, Tensor]:
    """The samples of one of `count` disjoint parts of the pool in that seed's order; new samples of
    the seed `seed + index` where there is no pool."""
    if not (size := POPULATIONS[name].pool // count):
        x, y = taught(name, seed + index)
        return x[:DRAWN], y[:DRAWN]
    x, y = samples_of(name, seed)
    return x[index * size : (index + 1) * size], y[index * size : (index + 1) * size]


@cache
def pretrained(name: str, seeds: tuple[int, ...]) -> Nets:
    """One network a seed, pretrained on its training samples as they are."""
    population = POPULATIONS[name]
    chosen = [samples_of(name, seed) for seed in seeds]
    data = [torch.stack([part[i][: population.sizes[0]] for part in chosen]) for i in range(2)]
    return pretrain(Split(*data), population.widths, seeds)


def turns_of(seeds: int) -> tuple[str, ...]:
    """The tasks of consecutive seeds: each in its turn."""
    return tuple(list(TURNS)[i % len(TURNS)] for i in range(seeds))


def permutation(classes: int, stream: int) -> Tensor:
    """A random permutation of the classes that moves some of them."""
    found = order(stream, classes)
    return found if (found != torch.arange(classes)).any() else found.roll(1)


def turned(name: str, x: Tensor, y: Tensor, turn: str, seed: int) -> Split:
    """Samples of a new task: the inputs turned as pictures are, the labels permuted."""
    population = POPULATIONS[name]
    # a stream of its own for each turn, so that two tasks of one seed have two permutations
    stream = 2 * OTHER_STREAM + len(TURNS) * seed + list(TURNS).index(turn)
    pictures = x.unflatten(-1, population.picture)
    return Split(TURNS[turn](pictures).flatten(1), permutation(population.classes, stream)[y])


def task(name: str, seeds: Sequence[int], turns: Sequence[str], samples: int) -> Task:
    """For each seed its new task: `samples` of the training split, validation and test."""
    tasks = []
    for seed, turn in zip(seeds, turns, strict=True):
        x, y = turned(name, *samples_of(name, seed), turn, seed)
        train, *held_out = parts(torch.arange(len(y)), POPULATIONS[name].sizes[:2])
        tasks.append([Split(x[part], y[part]) for part in (train[:samples], *held_out)])
    across = zip(*tasks, strict=True)
    return Task(*(Split(*map(torch.stack, zip(*splits, strict=True))) for splits in across))
