"""How many of a budget of ranks each layer gets, and the settings that say so.

Every layer offers components with scores; the budget goes to the highest scores of all layers
together. Two scores:

explained variance: lambda_j / Tr C with lambda the spectrum of the inputs' covariance C (EVA,
    arXiv:2410.07170, as in its code: the paper's eq. 6 divides by a norm of another unit and is no
    ratio).
gradient signal: the eigenvalues of Q = E[|g|^2 x x^T]. The sum of the first r of them is the
    largest E|dL/dB|^2 that rank r has with B = 0 and orthonormal rows of A. Where |g|^2 is
    uncorrelated with x x^T they are E|g|^2 lambda_j, lambda the spectrum of E[x x^T]: that form
    needs the same backward pass and assumes more, so Q is the only one here. Summed over layers it
    is greatest for exactly this greedy choice, which for explained variance holds of no such sum
    (derived).

The scale of a layer stays what the user asked for: with s = alpha / r, alpha is multiplied by r_new
/ r, and with the rank-stabilised s = alpha / sqrt(r) by sqrt(r_new / r). A layer of rank 0 is not
adapted.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import torch

from lora.config import Config
from lora.statistics import Statistics


def variance_scores(stats: Statistics, count: int, center: bool = True) -> list[float]:
    """The `count` largest explained-variance ratios lambda_j / Tr C, in descending order."""
    spectrum = stats.axes(count, center)[0].clamp(min=0)
    total = stats.variance(center)
    return (spectrum / total.clamp(min=torch.finfo(total.dtype).tiny)).tolist()


def signal_scores(stats: Statistics, count: int) -> list[float]:
    """The `count` largest eigenvalues of Q, in descending order. Raises ValueError where Q was not
    collected."""
    return stats.signal_axes(count)[0].clamp(min=0).tolist()


def distribute(
    scores: Mapping[str, Sequence[float]], budget: float, cost: Mapping[str, float] | None = None
) -> dict[str, int]:
    """The rank of every layer, 0 included, when `budget` goes to the highest scores of all layers.

    Components are taken by score per cost while they fit. Ties go to the component that comes
    earlier in its own layer, then to the earlier layer, so equal layers differ by one rank at most.

    Args:
        scores: of each layer's components, in descending order.
        budget: the sum of the costs that may be spent.
        cost: of a component by layer (in + out for a budget in parameters); 1 by default.

    Where all costs are equal no other ranks within the budget have a larger sum of scores. Where
    they differ this is the greedy rule for a knapsack, and a larger sum may exist, but only by less
    than the score of the first component that found no room: filling what was left with a part of
    that one would be the best of all fractional choices.

    Raises: ValueError for a score that is negative, not finite or out of order, or a cost that is
        not positive.
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
    """The config under which each of these layers has its new rank, perhaps 0, and the scale that
    it had.

    Raises ValueError when no layer keeps a rank.
    """
    if not any(ranks.values()):
        raise ValueError("every layer would get rank 0")
    growth = {name: rank / config.rank_of(name) for name, rank in ranks.items() if rank}
    if config.rank_stabilized:
        growth = {name: math.sqrt(factor) for name, factor in growth.items()}
    alphas = {name: config.alpha_of(name) * factor for name, factor in growth.items()}
    return replace(
        config,
        rank_pattern=_before(ranks, config.rank_pattern),
        alpha_pattern=_before(alphas, config.alpha_pattern),
    )


SCORES: dict[str, Callable[[Statistics, int, Mapping[str, Any]], list[float]]] = {
    "eva": lambda stats, count, options: variance_scores(stats, count, options.get("center", True)),
    "gradient_signal": lambda stats, count, options: signal_scores(stats, count),
}
"""The schemes that share ranks out, and by what."""


@dataclass(frozen=True)
class Sharing:
    """The options of rank sharing, which stand among a config's `scheme_options`.

    Args:
        rho: a layer of rank r offers its round(rho r) best components; 1 moves no rank.
        per_parameter: the budget is in numbers, r (in + out) a layer, in place of ranks.

    Raises: ValueError where rho is no finite number of at least 1, or per_parameter no bool.
    """

    rho: float = 1.0
    per_parameter: bool = False

    def __post_init__(self) -> None:
        rho, number = self.rho, isinstance(self.rho, int | float) and self.rho is not True
        if not (number and math.isfinite(rho) and rho >= 1):
            raise ValueError(f"rho must be a finite number of at least 1, got {rho!r}")
        if not isinstance(self.per_parameter, bool):
            raise ValueError(f"per_parameter must be True or False, got {self.per_parameter!r}")

    @classmethod
    def of(cls, config: Config) -> "Sharing":
        """What the config says of it; a scheme that does not know an option refuses it later."""
        options = config.scheme_options
        return cls(**{f.name: options[f.name] for f in fields(cls) if f.name in options})

    def components(self, config: Config, shapes: Mapping[str, tuple[int, int]]) -> dict[str, int]:
        """How many components each layer offers: round(rho r), at most min(out, in)."""
        return {
            name: min(round(self.rho * config.rank_of(name)), *shape)
            for name, shape in shapes.items()
        }


def redistributed(
    config: Config, stats: Mapping[str, Statistics], shapes: Mapping[str, tuple[int, int]]
) -> Config:
    """The config with the ranks that `Sharing.of` it gives the layers of these shapes (out, in).

    The budget is that of the ranks asked for. Where rho = 1 (the default), and for schemes that are
    not in `SCORES`, it is the config as it was. Raises ValueError as `Sharing`, and when no layer
    would keep a rank.
    """
    sharing = Sharing.of(config)
    if config.scheme not in SCORES or sharing.rho == 1:
        return config
    scores = {
        name: SCORES[config.scheme](stats[name], count, config.scheme_options)
        for name, count in sharing.components(config, shapes).items()
    }
    cost = {name: sum(shape) if sharing.per_parameter else 1 for name, shape in shapes.items()}
    budget = sum(config.rank_of(name) * cost[name] for name in shapes)
    return with_ranks(config, distribute(scores, budget, cost))


def exactly(values: Mapping[str, Any]) -> dict[str, Any]:
    """A rank_pattern or alpha_pattern, ours or PEFT's, with each value for the layer of exactly
    this name."""
    return {f"^{re.escape(name)}": value for name, value in values.items()}


def _before(values: Mapping[str, Any], pattern: dict[str, Any]) -> dict[str, Any]:
    """A pattern with these values for exactly these layers, ahead of what `pattern` says of
    others."""
    exact = exactly(values)
    return exact | {key: value for key, value in pattern.items() if key not in exact}
