"""The measured value of every check of how a training of OP-LoRA proceeds, by claim and key."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from loralab.claims import Measured
from loralab.statistics import geometric_mean, mean
from scaling.studies.claims.dynamics import CLAIMS

Measurements = dict[str, dict[str, Measured | None]]


class Watched(NamedTuple):
    """The run of a seed, by layer and step.

    Args:
        factor: 1 + |h|_1 before each step.
        agreement: how much the gradient of each step but the first asks for more of the change
            that the step before has made.
    """

    factor: Sequence[Sequence[float]]
    agreement: Sequence[Sequence[float]]


def nothing() -> Measurements:
    """No check measured."""
    return {claim.id: dict.fromkeys(claim.keys) for claim in CLAIMS}


def evidence(runs: Sequence[Watched]) -> Measurements:
    """All of them, of a run for each seed. None where a seed has no step that tells."""
    second, later = ([share(run, *steps) for run in runs] for steps in ((0, 1), (1, None)))
    return {
        "LM14": {
            "second step": None if np.isnan(second).any() else mean(second),
            "later steps": None if np.isnan(later).any() else mean(later),
            "by how much": geometric_mean([span(run) for run in runs]),
        }
    }


def grown(run: Watched) -> tuple[np.ndarray, np.ndarray]:
    """By layer and step, from the second to the last but one: whether 1 + |h|_1 grows in it, and
    whether its gradient agrees with the change before."""
    grows = np.diff(run.factor, axis=1)[:, 1:] > 0
    return grows, np.array(run.agreement)[:, : grows.shape[1]] > 0


def share(run: Watched, first: int, last: int | None) -> float:
    """How much more often 1 + |h|_1 grows in the layers that agree than in the others, mean over
    those of these steps of `grown` that have layers of both kinds; nan without any."""
    found = [
        grows[agrees].mean() - grows[~agrees].mean()
        for grows, agrees in zip(*(each.T[first:last] for each in grown(run)), strict=True)
        if agrees.any() and not agrees.all()
    ]
    return float(np.mean(found)) if found else float("nan")


def span(run: Watched) -> float:
    """The largest 1 + |h|_1 of a layer over its smallest, geometric mean over layers."""
    factor = np.array(run.factor)
    return float(np.exp(np.log(factor.max(1) / factor.min(1)).mean()))
