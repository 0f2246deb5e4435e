"""The measured value of every check of the predicted learning rate, by claim and key."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from loralab.claims import Measured
from scaling.comparison.summary import Outcome
from scaling.studies.claims.rates import CLAIMS, PAIRS, POINTS
from scaling.studies.evidence import improvements
from scaling.studies.evidence.improvements import Swept
from scaling.studies.evidence.quantities import optimum, ratio
from scaling.studies.trials.rates import Scored

Measurements = dict[str, dict[str, Measured | None]]


class Study(NamedTuple):
    """The trials.

    Args:
        pairs: by model and task.
        seeds: all of them.
    """

    pairs: Mapping[str, Scored]
    seeds: Sequence[int]


def nothing() -> Measurements:
    """No check measured."""
    return {claim.id: dict.fromkeys(claim.keys) for claim in CLAIMS}


def evidence(study: Study) -> Measurements:
    """All of them."""
    return {
        "S9": {key: shortfall(study.pairs[key], key, study.seeds) for key in PAIRS},
        "S9b": {key: decades(study.pairs[key], study.seeds) for key in PAIRS},
    }


def shortfall(pair: Scored, key: str, seeds: Sequence[int]) -> Measured | None:
    """Of the test metric, at the predicted learning rate against the sweep's best; None where a run
    at the predicted one diverged."""

    def metric(run: Outcome) -> float:
        return run["metrics"][PAIRS[key].metric]

    at, best = Swept(pair.rates, seeds, only=pair.predicted), Swept(pair.rates, seeds)
    compare = improvements.difference if PAIRS[key].metric in POINTS else improvements.ratio
    return compare(at, best, metric)


def decades(pair: Scored, seeds: Sequence[int]) -> Measured:
    """From the best learning rate to the predicted one."""
    best = [optimum(pair.rates, seed) for seed in seeds]
    return ratio([pair.predicted] * len(seeds), best).map(math.log10)
