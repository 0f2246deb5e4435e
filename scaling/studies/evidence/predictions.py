"""The measured value of every check of the predictions, by claim and key."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from loralab.claims import Measured
from scaling.comparison.statistics import ratio
from scaling.comparison.summary import Outcomes, Row, runs_of
from scaling.studies.claims.predictions import CLAIMS, METHOD_OF, case
from scaling.studies.evidence.quantities import difference, logarithm, optimum

FROZEN = ("B alone", "A alone")
Measurements = dict[str, dict[str, Measured | None]]


def nothing() -> Measurements:
    """No check measured."""
    return {claim.id: dict.fromkeys(claim.keys) for claim in CLAIMS}


def scored(
    model: str,
    outcomes: Outcomes,
    rows: Mapping[str, Row],
    predictions: Mapping[int, Mapping[str, Any]],
) -> Measurements:
    """The predictions on one model, seed by seed, against the sweep of it; None where nothing was
    predicted.

    Args:
        model: "MiniLM" or "GPT".
        outcomes: of the methods of METHOD_OF and FROZEN.
        rows: the summary of each method.
        predictions: by seed, what `scaling.studies.trials.advice.predicted` gave.
    """

    def over_best(what: str, scheme: str) -> Measured | None:
        values = [each[what][scheme] for each in predictions.values()]
        if None in values:
            return None
        rates = outcomes[METHOD_OF[scheme]]
        return ratio(values, [optimum(rates, seed) for seed in predictions])

    def lead(first: str, second: str) -> Measured:
        one, other = (runs_of(outcomes, rows[name]) for name in (first, second))
        return difference(one, other, np.random.default_rng(0))

    def by_case(what: str) -> dict[str, Measured | None]:
        return {case(model, name): over_best(what, scheme) for scheme, name in METHOD_OF.items()}

    each = predictions.values()
    advised = Counter(one["scheme"] for one in each).most_common(1)[0][0]
    other = next(scheme for scheme in METHOD_OF if scheme != advised)
    better, worse = FROZEN if np.median([one["gain"] for one in each]) > 0 else FROZEN[::-1]
    ratios = by_case("learning_rate")
    found: Measurements = {
        "S8": {key: measured and logarithm(measured) for key, measured in ratios.items()},
        "S8c": by_case("bound"),
        "S8b": {model: lead(METHOD_OF[advised], METHOD_OF[other])},
    }
    # MiniLM has a newly initialized head
    if model == "GPT":
        found["S8d"] = {model: lead(better, worse)}
    return found
