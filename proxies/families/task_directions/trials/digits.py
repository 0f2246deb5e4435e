"""Networks pretrained on scikit-learn's digits, and the tasks that they are taken to: labels
permuted, images rotated.

A seed is a split of the images, a network and its tasks. Nothing is ever trained on an image of the
seed's test split.
"""

from functools import cache

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from proxies.families.task_directions.trials.directions import Changes
from proxies.families.task_directions.trials.problem import Batch, Task
from proxies.instruments import digits

TRAIN, BATCH, WIDTH = 1200, 64, 128  # the other 597 images are for the test
MIDDLE, ADAPTED = "2", ("0", "2")  # the square layer, and the layers that methods adapt
SPLIT, LABELS = 3 * 10**6, 4 * 10**6  # added to a seed for its other streams
KINDS = tuple(f"{what} {i}" for what in ("labels", "turn") for i in (1, 2, 3))
PRETRAINING, FINE_TUNING = 1000, 800  # steps


def images() -> tuple[Tensor, Tensor]:
    """Every image, with pixels from -0.3 to 0.7, and its label."""
    return digits.digits(-0.3, 0.7)


def data(kind: str, seed: int) -> tuple[Batch, Batch]:
    """Training and test images (n, 64) with labels; "" for the kind gives those of the
    pretraining."""
    x, y = images()
    what, _, number = kind.partition(" ")
    if what == "turn":
        x = x.rot90(int(number), (-2, -1))
    if what == "labels":
        # a stream for each number, so that the tasks of one seed have different permutations
        y = digits.order(LABELS + 10 * seed + int(number), digits.CLASSES)[y]
    parts = digits.parts(digits.order(SPLIT + seed), [TRAIN])
    train, test = ((x[part].flatten(1), y[part]) for part in parts)
    return train, test


def net() -> nn.Sequential:
    """64-128-128-10 with ReLU, of whatever weights."""
    linear = lambda in_, out: nn.utils.skip_init(nn.Linear, in_, out)
    return nn.Sequential(
        linear(64, WIDTH), nn.ReLU(), linear(WIDTH, WIDTH), nn.ReLU(), linear(WIDTH, 10)
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
def pretrained(seed: int) -> dict[str, Tensor]:
    """The state of a network trained on the digits as they are, from He's initialization."""
    rng, model = Generator().manual_seed(seed), net()
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=rng)
            nn.init.zeros_(layer.bias)
    return trained_whole(model, data("", seed)[0], PRETRAINING, rng).state_dict()


def base(seed: int) -> nn.Sequential:
    model = net()
    model.load_state_dict(pretrained(seed))
    return model


@cache
def full_change(kind: str, seed: int) -> Changes:
    """What full fine-tuning changes in the adapted layers, by name."""
    rng = Generator().manual_seed(LABELS + seed)
    state, before = (
        trained_whole(base(seed), data(kind, seed)[0], FINE_TUNING, rng).state_dict(),
        pretrained(seed),
    )
    return {name: state[f"{name}.weight"] - before[f"{name}.weight"] for name in ADAPTED}


def task(kind: str, seed: int, layers: tuple[str, ...] = ADAPTED) -> Task:
    """`error` is the share of test images that are classified wrongly."""
    train, test = data(kind, seed)

    @torch.no_grad()
    def error(model: nn.Module) -> float:
        return float((model(test[0]).argmax(1) != test[1]).double().mean())

    return Task(
        lambda: base(seed),
        lambda rng: drawn(train, rng),
        cross_entropy,
        error,
        layers,
        lambda: {name: full_change(kind, seed)[name] for name in layers},
    )
