"""The measured value of every check of the predictions, by claim and key."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from loralab.claims import Measured
from scaling.comparison.summary import Outcomes
from scaling.studies.claims.predictions import CASES, CLAIMS, FROZEN, METHOD_OF
from scaling.studies.evidence.quantities import Runs, difference, optimum, ratio
from theory.asymmetry.freezing import TIE

Measurements = dict[str, dict[str, Measured | None]]


class Scored(NamedTuple):
    """The trials on one model.

    Args:
        outcomes: by method, learning rate and seed.
        best: the learning rate of each method.
        unseen: seeds that have not chosen it.
        predictions: by seed, what `scaling.studies.trials.advice.predicted` gave.
    """

    outcomes: Outcomes
    best: Mapping[str, float]
    unseen: Sequence[int]
    predictions: Mapping[int, Mapping[str, Any]]

    def at_best(self, name: str) -> Runs:
        runs = self.outcomes[name].get(self.best.get(name, 0.0), {})
        return {seed: runs[seed] for seed in self.unseen if seed in runs}

    def lead(self, first: str, second: str) -> Measured | None:
        return difference(self.at_best(first), self.at_best(second))

    def decades(self, scheme: str) -> Measured | None:
        """From the best learning rate to the predicted one; None where nothing is predicted."""
        values = [each["learning_rate"][scheme] for each in self.predictions.values()]
        if None in values:
            return None
        rates = self.outcomes[METHOD_OF[scheme]]
        return ratio(values, [optimum(rates, seed) for seed in self.predictions]).map(math.log10)


def nothing() -> Measurements:
    """No check measured."""
    return {claim.id: dict.fromkeys(claim.keys) for claim in CLAIMS}


def evidence(models: Mapping[str, Scored]) -> Measurements:
    """All of them, of "MiniLM" and "GPT"."""
    gpt = models["GPT"]
    each = gpt.predictions.values()
    advised = Counter(one["scheme"] for one in each).most_common(1)[0][0]
    other = next(scheme for scheme in METHOD_OF if scheme != advised)
    prefers_b = np.median([one["gain"] for one in each]) >= -TIE
    better, worse = FROZEN if prefers_b else FROZEN[::-1]
    return {
        "S8": {key: models[model].decades(scheme) for key, (model, scheme) in CASES.items()},
        "S8b": {"GPT": gpt.lead(METHOD_OF[advised], METHOD_OF[other])},
        "S8d": {"GPT": gpt.lead(better, worse)},
    }
