"""What people read of a study, and what its figures are drawn from."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scaling.comparison.summary import (
    Outcome,
    Rates,
    diverged,
    example_score,
    lowest_loss,
)
from scaling.studies.claims.predictions import METHOD_OF
from scaling.studies.evidence.findings import Study
from scaling.studies.evidence.predictions import Scored
from scaling.studies.evidence.quantities import difference

EACH = "each method at its best learning rate"


def means(rates: Rates, value: Any) -> list[list[float]]:
    """Learning rate and mean value over the seeds, where no run diverged.

    Args:
        rates: the runs of a method, by learning rate and seed.
        value: gives the number of an outcome.
    """

    def finished(runs: Mapping[int, Outcome]) -> bool:
        return not any(map(diverged, runs.values()))

    return [
        [rate, float(np.mean([value(run) for run in runs.values()]))]
        for rate, runs in sorted(rates.items())
        if finished(runs)
    ]


def findings(study: Study) -> dict[str, Any]:
    """By method: learning rate and mean score, the best learning rate, the difference from LoRA on
    seeds that have not chosen it."""

    def gain(name: str) -> list[float] | None:
        found = difference(study.at_best(name), study.at_best("LoRA"))
        return found and [found.value, found.low, found.high]

    return {
        name: {
            "scores": means(_by(study.seeds, rates), example_score),
            "best": study.best.get(name),
            "difference": None if name == "LoRA" else gain(name),
        }
        for name, rates in study.outcomes.items()
    }


def predictions(scored: Scored) -> dict[str, dict[str, Any]]:
    """By method: learning rate and mean validation loss, and the geometric means over the seeds of
    the predicted learning rate and of the bound."""

    def middle(what: str, scheme: str) -> float | None:
        values = [each[what][scheme] for each in scored.predictions.values()]
        return None if None in values else float(np.exp(np.mean(np.log(values))))

    return {
        name: {
            "losses": means(_by([*scored.predictions], scored.outcomes[name]), lowest_loss),
            "predicted": middle("learning_rate", scheme),
            "bound": middle("bound", scheme),
        }
        for scheme, name in METHOD_OF.items()
        if name in scored.outcomes
    }


def _by(seeds: Sequence[int], rates: Rates) -> Rates:
    """The runs of these seeds alone, so that every learning rate is shown by the same ones."""
    return {rate: {seed: runs[seed] for seed in seeds} for rate, runs in rates.items()}


def prediction(of: Mapping[str, Any]) -> dict[str, Any]:
    """The predictions of one seed, as a record of a table."""
    columns = {"learning_rate": "predicted learning rate", "bound": "bound"}
    rates = {
        f"{title}, {name}": of[what][scheme]
        for what, title in columns.items()
        for scheme, name in METHOD_OF.items()
    }
    return {**rates, "advised initialization": of["scheme"], "gain of training B": of["gain"]}
