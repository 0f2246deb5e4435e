"""What people read of a study, and what its figures are drawn from."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from scaling.comparison.summary import (
    Outcome,
    Outcomes,
    Rates,
    Row,
    diverged,
    example_score,
    lowest_loss,
)
from scaling.studies.claims.predictions import METHOD_OF

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


def findings(outcomes: Outcomes, rows: Mapping[str, Row]) -> dict[str, Any]:
    """By method: learning rate and mean score, the best learning rate, the difference from LoRA."""
    return {
        name: {
            "scores": means(outcomes[name], example_score),
            "best": row.rate,
            "difference": row.difference
            and [row.difference.value, row.difference.low, row.difference.high],
        }
        for name, row in rows.items()
    }


def predictions(
    outcomes: Outcomes, predicted: Mapping[int, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """By method: learning rate and mean validation loss, and the geometric means over the seeds of
    the predicted learning rate and of the bound."""

    def middle(what: str, scheme: str) -> float | None:
        values = [each[what][scheme] for each in predicted.values()]
        return None if None in values else float(np.exp(np.mean(np.log(values))))

    return {
        name: {
            "losses": means(outcomes[name], lowest_loss),
            "predicted": middle("learning_rate", scheme),
            "bound": middle("bound", scheme),
        }
        for scheme, name in METHOD_OF.items()
    }


def prediction(of: Mapping[str, Any]) -> dict[str, Any]:
    """The predictions of one seed, as a record of a table."""
    columns = {"learning_rate": "predicted learning rate", "bound": "bound"}
    rates = {
        f"{title}, {name}": of[what][scheme]
        for what, title in columns.items()
        for scheme, name in METHOD_OF.items()
    }
    return {**rates, "advised initialization": of["scheme"], "gain of training B": of["gain"]}
