"""The measured value of every check of the curvature at the start of training, by claim and key."""

from collections.abc import Mapping, Sequence

import numpy as np

from loralab.claims import Measured
from loralab.statistics import mean
from scaling.comparison.summary import Outcomes
from scaling.studies.claims.curvature import CLAIMS, METHODS, OTHERS
from scaling.studies.evidence.quantities import learning_rate_ratio, optimum, ratio

Measurements = dict[str, dict[str, Measured | None]]
Sharpness = Mapping[str, Sequence[float]]  # by method, seed by seed


def nothing() -> Measurements:
    """No check measured."""
    return {claim.id: dict.fromkeys(claim.keys) for claim in CLAIMS}


def evidence(sharpness: Sharpness, outcomes: Outcomes, seeds: Sequence[int]) -> Measurements:
    """All of them.

    Args:
        sharpness: the largest eigenvalue at the start, by method and seed.
        outcomes: the runs, by method, learning rate and seed.
        seeds: all of them.
    """
    lora = METHODS[0]
    return {
        "LM17": {name: ratio(sharpness[name], sharpness[lora]) for name in OTHERS},
        "LM17b": {
            "slope": mean(slopes(sharpness, best(outcomes, seeds))),
            **{
                f"{name}, learning rate": learning_rate_ratio(outcomes[name], outcomes[lora], seeds)
                for name in OTHERS
            },
        },
    }


def best(outcomes: Outcomes, seeds: Sequence[int]) -> dict[str, list[float]]:
    """The best learning rate of each seed, by method."""
    return {name: [optimum(outcomes[name], seed) for seed in seeds] for name in METHODS}


def slopes(sharpness: Sharpness, rates: Mapping[str, Sequence[float]]) -> list[float]:
    """Of each seed, the slope over the methods of the logarithm of the best learning rate in that
    of the eigenvalue."""
    x, y = (np.log([of[name] for name in METHODS]) for of in (sharpness, rates))
    x, y = x - x.mean(0), y - y.mean(0)
    return ((x * y).sum(0) / (x * x).sum(0)).tolist()
