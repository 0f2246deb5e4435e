"""Scores of a run: images that it draws, beside real ones of its target, in the features of a
classifier."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from proxies.families.overparam_generation.trials import adapters
from proxies.instruments import digit_targets, flow_matching
from proxies.instruments.digit_networks import Judge, Linear, read
from proxies.instruments.image_distances import median_distance, mmd

DRAWN, MIDPOINTS = 400, 12  # images drawn of each run, and steps to each
SHOWN = 16  # images that are kept for the figures
# added to a seed: no noise chooses the learning rate that it tests
NOISE = {"validation": 10**6, "test": 2 * 10**6}
SCORES: tuple[str, ...] = ("MMD", "MMD, unbiased", "CMMD", "CMMD, unbiased", "share")
"""MMD at the median distance of real images and CMMD, in thousandths; the share of the target's
labels"""


class Networks(NamedTuple):
    """The layers of the two trained networks as `digit_networks` lists them."""

    base: list[dict[str, Any]]
    classifier: list[dict[str, Any]]


class Problem(NamedTuple):
    """The base model, the classifier, each seed's split of the target, the target's labels, and the
    bandwidth of MMD."""

    base: Sequence[Linear]
    judge: Judge
    seeds: Sequence[int]
    splits: list[digit_targets.Split]
    labels: range
    sigma: float


def problem(networks: Networks, target: str, seeds: Sequence[int]) -> Problem:
    """A target as it is split for each of some seeds."""
    judge, labels = Judge(networks.classifier), digit_targets.TARGETS[target]
    sigma = median_distance(judge.embed(digit_targets.of(labels)))
    splits = [digit_targets.split(target, seed) for seed in seeds]
    return Problem(read(networks.base), judge, seeds, splits, labels, sigma)


def noise(seeds: Sequence[int], part: str) -> Tensor:
    """Where the images of each seed begin, (seeds, DRAWN, 64)."""
    rngs = [Generator().manual_seed(NOISE[part] + seed) for seed in seeds]
    return torch.stack([torch.randn(DRAWN, digit_targets.PIXELS, generator=rng) for rng in rngs])


def draw(base: Sequence[Linear], parameters: adapters.Parameters, x: Tensor) -> Tensor:
    """Images (learning rates, seeds, n, 64) of every run from noise x (seeds, n, 64). They are not
    clipped, so that divergence shows. One learning rate at a time, so that what a layer computes is
    still in the processor's cache when the next one reads it."""
    merged = adapters.merged(base, parameters)
    drawn = []
    for weights in zip(*(layer.W for layer in merged), strict=True):
        layers = [
            partial(_linears, Linear(W, layer.b)) for W, layer in zip(weights, merged, strict=True)
        ]
        drawn.append(_carried(layers, x))
    return torch.stack(drawn)


def scores(found: Tensor, real: Tensor, problem: Problem) -> dict[str, float]:
    """SCORES of images (n, 64), clipped to the range of pixels, beside real ones; NaN where they
    are not finite."""
    if not found.isfinite().all():
        return dict.fromkeys(SCORES, math.nan)
    found = found.clamp(-1, 1)
    x, y = problem.judge.embed(found), problem.judge.embed(real)
    share = torch.isin(problem.judge.labels(found), torch.tensor(problem.labels)).float().mean()
    return dict(zip(SCORES, (*mmd(x, y, problem.sigma), *mmd(x, y), float(share)), strict=True))


def pixels(found: Tensor) -> list[list[int]]:
    """Images (n, 64) as the data set has them, whole numbers from 0 to 16; black where they are not
    finite."""
    return ((found.nan_to_num().clamp(-1, 1) + 1) * 8).round().int().tolist()


def drawn_by_base(problem: Problem) -> Tensor:
    """Images (seeds, n, 64) of the base model without an adapter, from the noises of the test."""
    layers = [partial(_linear, one) for one in problem.base]
    return _carried(layers, noise(problem.seeds, "test"))


def anchors(networks: Networks, target: str, seeds: int, seed: int) -> dict[str, Any]:
    """What distances mean, seed by seed: of images of the target itself, of the seen ones, of the
    base model's own.

    Args:
        networks: the trained base model and classifier.
        target: its name in `digit_targets.TARGETS`.
        seeds: how many splits of the target.
        seed: the first one.

    Returns: the scores, and the images of the base model for the first seed.
    """
    task = problem(networks, target, range(seed, seed + seeds))
    found, seen, of_base = [], digit_targets.of(digit_targets.SEEN), drawn_by_base(task)
    for drawn, split in zip(of_base, task.splits, strict=True):
        sets = {"target": split.train, "seen": seen, "base": drawn}
        scored = {name: scores(x, split.test, task) for name, x in sets.items()}
        x, y = (task.judge.embed(one.clamp(-1, 1)).double() for one in (drawn, split.test))
        shift = 10 * float((x.mean(0) - y.mean(0)).square().sum())
        one = {
            f"{name} {score}": value
            for name, each in scored.items()
            for score, value in each.items()
        }
        found.append(one | {"ten times the shift": shift / scored["base"]["CMMD"]})
    return {"scores": found, "images": pixels(of_base[0, :SHOWN])}


def _linear(layer: Linear, x: Tensor) -> Tensor:
    return F.linear(x, *layer)


def _linears(layer: Linear, x: Tensor) -> Tensor:
    """W x + b for W (seeds, out, in) and x (seeds, n, in)."""
    return torch.baddbmm(layer.b, x, layer.W.mT)


def _carried(layers: Sequence[flow_matching.Layer], x: Tensor) -> Tensor:
    return flow_matching.integrate(lambda x, t: flow_matching.velocity(layers, x, t), x, MIDPOINTS)
