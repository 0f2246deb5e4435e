"""Small networks pretrained on a classification, and the tasks that they are taken to: labels
permuted, inputs turned.

A seed is a data set, a network and its tasks. Nothing is ever trained on a test example of the
seed.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from proxies.families.task_directions.trials.directions import Changes
from proxies.families.task_directions.trials.problem import Batch, Task
from proxies.instruments import digits

WIDTH, CLASSES, INPUTS, BATCH = 128, digits.CLASSES, 64, 64
MIDDLE, ADAPTED = "2", ("0", "2")  # the square layer, and the layers that methods adapt
# added to a seed for its other streams
SPLIT, LABELS, AGAIN = 3 * 10**6, 4 * 10**6, 5 * 10**6
KINDS = tuple(f"{what} {i}" for what in ("labels", "turn") for i in (1, 2))
PRETRAINING, FINE_TUNING = 600, 400  # steps
CLUSTERS, APART, TESTED = 30, 0.7, 2000
PARTS, BLOCK = 12, 1000


class Pool(NamedTuple):
    """Where data come from: the examples of a seed in their order, how many of them are for
    training, and how inputs are turned, by (inputs, number, seed)."""

    examples: Callable[[int], Batch]
    train: int
    turn: Callable[[Tensor, int, int], Tensor]


def clusters(seed: int) -> Batch:
    """A newly drawn data set: 30 Gaussian clusters in 64 dimensions, three of each class."""
    rng = Generator().manual_seed(SPLIT + seed)
    centres = APART * torch.randn(CLUSTERS, INPUTS, generator=rng)
    of = torch.randint(CLUSTERS, (POOLS["clusters"].train + TESTED,), generator=rng)
    x = centres[of] + torch.randn(len(of), INPUTS, generator=rng)
    return 0.4 * x, of % CLASSES


def _orthogonal(x: Tensor, number: int, seed: int) -> Tensor:
    rng = Generator().manual_seed(LABELS + 10 * seed + number)
    return x @ torch.linalg.qr(torch.randn(INPUTS, INPUTS, generator=rng)).Q


def shuffled(seed: int) -> Batch:
    """All digits in an order of their own, pixels from -0.3 to 0.7: another split of one pool."""
    images, labels = digits.digits(-0.3, 0.7)
    order = digits.order(SPLIT + seed)
    return images[order].flatten(1), labels[order]


def twelfth(seed: int) -> Batch:
    """One of twelve disjoint parts of the digits, which the seeds of a block share out.

    Raises ValueError for a thirteenth.
    """
    part = seed % BLOCK
    if part >= PARTS:
        raise ValueError(f"the digits have {PARTS} disjoint parts, got a seed for part {part + 1}")
    x, y = shuffled(seed - part)
    size = len(y) // PARTS
    return x[part * size : (part + 1) * size], y[part * size : (part + 1) * size]


def _quarters(x: Tensor, number: int, seed: int) -> Tensor:
    return x.view(-1, digits.SIDE, digits.SIDE).rot90(number, (-2, -1)).flatten(1)


POOLS = {
    "clusters": Pool(clusters, 1200, _orthogonal),
    "digits": Pool(shuffled, 1200, _quarters),
    "disjoint digits": Pool(twelfth, 149, _quarters),
}


def data(pool: str, kind: str, seed: int) -> tuple[Batch, Batch]:
    """Training and test inputs (n, 64) with labels; "" for the kind gives those of the
    pretraining."""
    x, y = POOLS[pool].examples(seed)
    what, _, number = kind.partition(" ")
    if what == "turn":
        x = POOLS[pool].turn(x, int(number), seed)
    if what == "labels":
        # a stream for each number, so that the tasks of one seed have different permutations
        y = digits.order(LABELS + 10 * seed + int(number), CLASSES)[y]
    train = POOLS[pool].train
    return (x[:train], y[:train]), (x[train:], y[train:])


def net() -> nn.Sequential:
    """64-128-128-10 with ReLU, of whatever weights."""
    linear = lambda in_, out: nn.utils.skip_init(nn.Linear, in_, out)
    return nn.Sequential(
        linear(INPUTS, WIDTH), nn.ReLU(), linear(WIDTH, WIDTH), nn.ReLU(), linear(WIDTH, CLASSES)
    )


def cross_entropy(model: nn.Module, batch: Batch) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def drawn(train: Batch, rng: Generator) -> Batch:
    index = torch.randint(len(train[1]), (BATCH,), generator=rng)
    return train[0][index], train[1][index]


def trained_whole(model: nn.Module, train: Batch, steps: int, rng: Generator) -> nn.Module:
    """Every weight trained by Adam at 1e-3, in place."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    for _ in range(steps):
        optimizer.zero_grad()
        cross_entropy(model, drawn(train, rng)).backward()
        optimizer.step()
    return model


@cache
def pretrained(pool: str, seed: int) -> dict[str, Tensor]:
    """The state of a network trained on the data as they are, from He's initialization."""
    rng, model = Generator().manual_seed(seed), net()
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=rng)
            nn.init.zeros_(layer.bias)
    return trained_whole(model, data(pool, "", seed)[0], PRETRAINING, rng).state_dict()


def base(pool: str, seed: int) -> nn.Sequential:
    model = net()
    model.load_state_dict(pretrained(pool, seed))
    return model


@cache
def full_change(pool: str, kind: str, seed: int, stream: int = LABELS) -> Changes:
    """What full fine-tuning changes in the adapted layers, by name; a `stream` is an order of
    batches."""
    rng, before = Generator().manual_seed(stream + seed), pretrained(pool, seed)
    whole = trained_whole(base(pool, seed), data(pool, kind, seed)[0], FINE_TUNING, rng)
    state = whole.state_dict()
    return {name: state[f"{name}.weight"] - before[f"{name}.weight"] for name in ADAPTED}


def task(pool: str, kind: str, seed: int, layers: tuple[str, ...] = ADAPTED) -> Task:
    """`error` is the share of test examples that are classified wrongly."""
    train, test = data(pool, kind, seed)

    @torch.no_grad()
    def error(model: nn.Module) -> float:
        return float((model(test[0]).argmax(1) != test[1]).double().mean())

    return Task(
        lambda: base(pool, seed),
        lambda rng: drawn(train, rng),
        cross_entropy,
        error,
        layers,
        lambda: {name: full_change(pool, kind, seed)[name] for name in layers},
    )
