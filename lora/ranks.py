"""How many of a budget of ranks each layer gets, and the settings that say so.

Every layer offers components with scores; the budget goes to the highest scores of all layers together. Two scores:

    explained variance   lambda_j / Tr C with lambda the spectrum of the inputs' covariance C (EVA, arXiv:2410.07170,
                         as in its code: the paper's eq. 6 divides by a norm of another unit and is no ratio)
    gradient signal      the eigenvalues of Q = E[|g|^2 x x^T]: the sum of the first r of them is the largest
                         E|dL/dB|^2 of a rank-r start with B = 0 and orthonormal rows of A. Where |g|^2 is
                         uncorrelated with x x^T they are E|g|^2 lambda_j. Summed over layers it is greatest for
                         exactly this greedy choice, which for explained variance holds of no such sum (derived)

The scale of a layer stays what the user asked for: with s = alpha / r, alpha is multiplied by r_new / r, and with the
rank-stabilised s = alpha / sqrt(r) by sqrt(r_new / r).
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import torch

from lora.config import Config
from lora.statistics import Statistics


def variance_scores(stats: Statistics, count: int, center: bool = True) -> list[float]:
    """The `count` largest explained-variance ratios lambda_j / Tr C, in descending order."""
    spectrum = stats.axes(count, center)[0].clamp(min=0)
    total = stats.variance(center)
    return (spectrum / total.clamp(min=torch.finfo(total.dtype).tiny)).tolist()


def signal_scores(stats: Statistics, count: int) -> list[float]:
    """The `count` largest eigenvalues of Q, in descending order. Raises ValueError where Q was not collected."""
    return stats.signal_axes(count)[0].clamp(min=0).tolist()


def distribute(
    scores: Mapping[str, Sequence[float]], budget: float, cost: Mapping[str, float] | None = None
) -> dict[str, int]:
    """The rank of every layer, 0 included, when `budget` goes to the highest scores of all layers.

    Scores of a layer are in descending order. A component costs 1, or `cost[layer]` (in + out for a budget in
    parameters), and components are then taken by score per cost while they fit. Ties go to the component that comes
    earlier in its own layer, then to the earlier layer, so equal layers differ by one rank at most.

    Raises ValueError for a score that is negative, not finite or out of order, or a cost that is not positive.
    """
    for name, values in scores.items():
        if any(not (math.isfinite(value) and value >= 0) for value in values):
            raise ValueError(f"{name}: scores must be non-negative and finite, got {list(values)}")
        if any(a < b for a, b in pairwise(values)):
            raise ValueError(f"{name}: scores must be in descending order, got {list(values)}")
    costs = {name: 1.0 if cost is None else cost[name] for name in scores}
    if bad := [name for name, value in costs.items() if not value > 0]:
        raise ValueError(f"{bad[0]}: the cost of a rank must be positive, got {costs[bad[0]]!r}")
    order = sorted(
        (-value / costs[name], component, position, name)
        for position, (name, values) in enumerate(scores.items())
        for component, value in enumerate(values)
    )
    ranks, spent = dict.fromkeys(scores, 0), 0.0
    for _, component, _, name in order:
        if ranks[name] == component and spent + costs[name] <= budget:
            ranks[name] += 1
            spent += costs[name]
    return ranks


def with_ranks(config: Config, ranks: Mapping[str, int]) -> Config:
    """The config under which each layer has its new rank and the scale that it had; layers of rank 0 are excluded.

    Raises ValueError when no layer keeps a rank.
    """
    kept = {name: rank for name, rank in ranks.items() if rank}
    if not kept:
        raise ValueError("every layer would get rank 0")
    growth = {name: rank / config.rank_of(name) for name, rank in kept.items()}
    if config.rank_stabilized:
        growth = {name: math.sqrt(factor) for name, factor in growth.items()}
    exact = {name: f"^{re.escape(name)}" for name in kept}
    return replace(
        config,
        exclude_modules=_excluding(config.exclude_modules, [name for name in ranks if not ranks[name]]),
        rank_pattern={exact[name]: rank for name, rank in kept.items()},
        alpha_pattern={exact[name]: config.alpha_of(name) * growth[name] for name in kept},
    )


def by_explained_variance(config: Config, stats: Mapping[str, Statistics], shapes: Mapping[str, torch.Size]) -> Config:
    """EVA's redistribution by `config.scheme_options`: each layer offers its round(rho r) largest components, at most
    min(out, in), and the budget is the sum of the ranks r asked for. rho = 1 (the default) leaves the config as it is.

    Raises ValueError for rho < 1.
    """
    rho, center = config.scheme_options.get("rho", 1.0), config.scheme_options.get("center", True)
    check_rho(rho)
    if rho == 1:
        return config
    asked = {name: config.rank_of(name) for name in stats}
    scores = {
        name: variance_scores(layer, min(round(rho * asked[name]), *shapes[name]), center)
        for name, layer in stats.items()
    }
    return with_ranks(config, distribute(scores, sum(asked.values())))


def check_rho(rho: float) -> None:
    """Raises ValueError when rho is no finite number of at least 1."""
    if isinstance(rho, bool) or not isinstance(rho, int | float) or not (math.isfinite(rho) and rho >= 1):
        raise ValueError(f"rho must be a finite number of at least 1, got {rho!r}")


def _excluding(pattern: str | tuple[str, ...], names: list[str]) -> str | tuple[str, ...]:
    """A pattern for what `pattern` means and exactly these names: as an expression, since a name in a list also
    means every longer name that ends in it."""
    if not names:
        return pattern
    if isinstance(pattern, str):
        old = [f"(?:{pattern})"] if pattern else []
    else:
        old = [rf"(?:.*\.)?{re.escape(name)}" for name in pattern]
    return "|".join([*old, *map(re.escape, names)])
