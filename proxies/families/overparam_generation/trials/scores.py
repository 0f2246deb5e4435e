"""Scores of a run: images that it draws, beside real ones of its target, in the features of a
classifier."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

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
    """The layers of a seed's two trained networks as `digit_networks` lists them."""

    base: list[dict[str, Any]]
    classifier: list[dict[str, Any]]


class Problem(NamedTuple):
    """What each seed is given: its base model in the stack, its classifier, its split of the
    target, and the bandwidth of MMD in its classifier's features; the target's labels."""

    base: Sequence[Linear]
    judges: list[Judge]
    seeds: Sequence[int]
    splits: list[digit_targets.Split]
    sigmas: list[float]
    labels: range


def problem(networks: Sequence[Networks], target: str, seeds: Sequence[int]) -> Problem:
    """A target as it is split for each of some seeds, one for each pair of networks."""
    judges, labels = [Judge(one.classifier) for one in networks], digit_targets.TARGETS[target]
    images = digit_targets.of(labels)
    return Problem(
        adapters.stacked([read(one.base) for one in networks]),
        judges,
        seeds,
        [digit_targets.split(target, seed) for seed in seeds],
        [median_distance(judge.embed(images)) for judge in judges],
        labels,
    )


def in_parts(problem: Problem, size: int) -> list[Problem]:
    """The problem of at most `size` seeds at a time."""
    found = []
    for i in range(0, len(problem.seeds), size):
        some = slice(i, i + size)
        base = [Linear(layer.W[some], layer.b[some]) for layer in problem.base]
        found.append(
            problem._replace(
                base=base,
                judges=problem.judges[some],
                seeds=problem.seeds[some],
                splits=problem.splits[some],
                sigmas=problem.sigmas[some],
            )
        )
    return found


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
            partial(adapters.linear, Linear(W, layer.b))
            for W, layer in zip(weights, merged, strict=True)
        ]
        drawn.append(_carried(layers, x))
    return torch.stack(drawn)


def scores(found: Tensor, real: Tensor, problem: Problem, i: int) -> dict[str, float]:
    """SCORES of images (n, 64), clipped to the range of pixels, beside real ones, by the classifier
    of the i-th seed; NaN where they are not finite."""
    if not found.isfinite().all():
        return dict.fromkeys(SCORES, math.nan)
    found, judge = found.clamp(-1, 1), problem.judges[i]
    x, y = judge.embed(found), judge.embed(real)
    share = torch.isin(judge.labels(found), torch.tensor(problem.labels)).float().mean()
    values = (*mmd(x, y, problem.sigmas[i]), *mmd(x, y), float(share))
    return dict(zip(SCORES, values, strict=True))


def pixels(found: Tensor) -> list[list[int]]:
    """Images (n, 64) as the data set has them, whole numbers from 0 to 16; black where they are not
    finite."""
    return ((found.nan_to_num().clamp(-1, 1) + 1) * 8).round().int().tolist()


def drawn_by_base(problem: Problem) -> Tensor:
    """Images (seeds, n, 64) of each base model without an adapter, from the noises of the test."""
    layers = [partial(adapters.linear, one) for one in problem.base]
    return _carried(layers, noise(problem.seeds, "test"))


def anchors(networks: Sequence[Networks], target: str, seeds: Sequence[int]) -> dict[str, Any]:
    """What distances mean, seed by seed: of images of the target itself, of the seen ones, of the
    base model's own.

    Args:
        networks: each seed's base model and classifier.
        target: its name in `digit_targets.TARGETS`.
        seeds: of the splits and the noises.

    Returns: the scores, and the images of the base model for the first seed.
    """
    task = problem(networks, target, seeds)
    found, seen, of_base = [], digit_targets.of(digit_targets.SEEN), drawn_by_base(task)
    for i, (drawn, split) in enumerate(zip(of_base, task.splits, strict=True)):
        sets = {"target": split.train, "seen": seen, "base": drawn}
        scored = {name: scores(x, split.test, task, i) for name, x in sets.items()}
        x, y = (task.judges[i].embed(one.clamp(-1, 1)).double() for one in (drawn, split.test))
        shift = 10 * float((x.mean(0) - y.mean(0)).square().sum())
        one = {
            f"{name} {score}": value
            for name, each in scored.items()
            for score, value in each.items()
        }
        found.append(one | {"ten times the shift": shift / scored["base"]["CMMD"]})
    return {"scores": found, "images": pixels(of_base[0, :SHOWN])}


def _carried(layers: Sequence[flow_matching.Layer], x: Tensor) -> Tensor:
    return flow_matching.integrate(lambda x, t: flow_matching.velocity(layers, x, t), x, MIDPOINTS)
