"""The family's tables for people, and what its figures are drawn from."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from proxies.families.nystrom.claims.adaptation import ALIGNMENTS
from proxies.families.nystrom.claims.links import ACCURACY, EXTRA
from proxies.families.nystrom.evidence import INITIALIZATIONS, Trials
from proxies.families.nystrom.trials.plan import CONDITIONS, LEAKS, SCALES
from proxies.instruments.trial_grid import Records, pick
from theory.nystrom import asymmetric, symmetric

TITLES = ("random", "sketch of the weight", "sketch of the gradient")


def tables(trials: Trials) -> dict[str, Records]:
    return {
        "Steps to a relative error of 1e-12 (medians; - for never, or not run)": _steps(trials),
        "Steps to 1e-12 against the scale of the sketch, condition number 1e3": [
            {
                "xi": xi,
                "steps": _middle(pick(trials["scales"], "steps", xi=xi)),
                "its bound": _bound(trials["scales"], xi=xi),
            }
            for xi in SCALES
        ],
        "Adapting a weight by rank 4: steps to 1e-10, and the error after one": [
            {
                "overlap": alignment,
                "initialization": title,
                "steps": _middle([run["steps"] for run in runs]),
                "first error": _middle([run["first"] for run in runs]),
            }
            for alignment in ALIGNMENTS
            for name, title in zip(INITIALIZATIONS, TITLES, strict=True)
            for runs in (pick(trials["transfer"], name, alignment=alignment),)
        ],
    }


def fastest_descent(descent: Records, condition: float) -> list[int | None]:
    """Steps of gradient descent at the better of its step sizes, seed by seed; None for never."""
    by_step_size = [pick(descent, "steps", condition=condition, eta=eta) for eta in (0.5, 0.9)]
    return [
        min((t for t in pair if t is not None), default=None)
        for pair in zip(*by_step_size, strict=True)
    ]


def _middle(values: Sequence[float | None]) -> float | None:
    """The median, counting None as later than everything; None where that is the median."""
    median = float(np.median([np.inf if value is None else value for value in values]))
    return median if np.isfinite(median) else None


def _bound(records: Records, **where: Any) -> float | None:
    distances = pick(records, "distance", **where)
    return _middle([symmetric.steps_bound(distance, ACCURACY) for distance in distances])


def _steps(trials: Trials) -> Records:
    def middle(name: str, field: str, condition: float) -> float | None:
        return _middle(pick(trials[name], field, condition=condition))

    descent = {c: _middle(fastest_descent(trials["descent"], c)) for c in (1e1, 1e2)}
    return [
        {
            "condition": c,
            "Nyström eta=0.5": middle("newton", "steps", c),
            "its bound": _bound(trials["newton"], condition=c),
            "Nyström eta=0.4": middle("others", "nystrom_0.4", c),
            "Nyström eta=1": middle("others", "nystrom_1", c),
            "small random eta=0.5": middle("others", "small_random", c),
            "gradient descent": descent.get(c),
            "asymmetric eta=0.5": _middle(
                [steps[0] for steps in pick(trials["scalar"], "steps", condition=c)]
            ),
            "asymmetric ALS, random": middle("squares", "sweeps", c),
        }
        for c in CONDITIONS
    ]


def figure_data(trials: Trials) -> dict[str, Any]:
    """The first seed of what is drawn run by run, every seed of what is drawn as points."""
    newton, transfer = trials["newton"], trials["transfer"]
    points = newton + trials["scales"]
    random = next(record["result"] for record in trials["random"] if record["rank"] == 2)

    def first(records: Records, name: str, **where: Any) -> Any:
        return pick(records, name, **where)[0]

    return {
        "conditions": CONDITIONS,
        "symmetric": [first(newton, "errors", condition=c) for c in CONDITIONS],
        "symmetric_law": [first(newton, "law", condition=c) for c in CONDITIONS],
        "asymmetric": [first(trials["scalar"], "errors", condition=c) for c in CONDITIONS],
        "asymmetric_law": np.abs(asymmetric.scalar_law(0.5, 12) - 1).tolist(),
        "distance": pick(points, "distance"),
        "steps": pick(points, "steps"),
        "extra_steps": EXTRA,
        "table": _steps(trials),
        "leaks": [
            {"size": size, "errors": first(trials["leaks"], "errors", size=size)} for size in LEAKS
        ],
        "random_factors": {key: random[key] for key in ("real", "imaginary", "done")},
        "transfer": [
            {
                "overlap": x,
                **{n: first(transfer, n, alignment=x)["errors"] for n in INITIALIZATIONS},
            }
            for x in (0.0, 1.0)
        ],
    }
