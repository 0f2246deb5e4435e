"""What people read of a study, and what its figures are drawn from."""

from collections.abc import Mapping, Sequence
from statistics import geometric_mean
from typing import Any

import numpy as np

from loralab.claims import Measured
from scaling.comparison.summary import (
    Outcome,
    Outcomes,
    Rates,
    chosen,
    diverged,
    example_score,
    lowest_loss,
)
from scaling.studies.claims.gaps import EXAMPLES
from scaling.studies.claims.language.field import PUBLISHED_RATES
from scaling.studies.claims.predictions import METHOD_OF
from scaling.studies.claims.ranks import POWERS, RANKS, SCHEMES
from scaling.studies.evidence.curvature import Sharpness
from scaling.studies.evidence.dynamics import Watched, grown
from scaling.studies.evidence.findings import Study
from scaling.studies.evidence.gaps import gap, unseen
from scaling.studies.evidence.improvements import (
    growth,
    improvement_ratio,
    loss,
    steps_ratio,
)
from scaling.studies.evidence.language import Study as LanguageStudy
from scaling.studies.evidence.predictions import Scored
from scaling.studies.evidence.quantities import difference
from scaling.studies.evidence.ranks import Found
from scaling.studies.evidence.rates import Study as RatesStudy
from theory.generalization import LN2, information_bound
from theory.lr_stability import rank_exponent

EACH = "each method at its best learning rate"
FACTORS = "1 + |h|_1 of a layer, before the steps of one seed"
BITS = 16  # of a stored number
QUANTILES = (0.1, 0.5, 0.9)


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
        return _ends(found)

    return {
        name: {
            "scores": means(_by(study.seeds, rates), example_score),
            "best": study.best.get(name),
            "difference": None if name == "LoRA" else gain(name),
        }
        for name, rates in study.outcomes.items()
    }


def language(study: LanguageStudy) -> dict[str, Any]:
    """By method, on the text: learning rate and mean improvement of the test loss, the best
    learning rate, the improvement and the test loss over LoRA's with their intervals, what is
    forgotten, and what a run costs."""
    rows = {}
    for name, rates in study.outcomes["text"].items():
        own, lora = study.of(name), study.of("LoRA")
        if not own.tried:
            continue
        at_best = [rates[own.best][seed] for seed in study.seeds]
        rows[name] = {
            "improvements": [
                [
                    rate,
                    float(
                        np.mean([base - loss(runs[s]) for s, base in study.base["text"].items()])
                    ),
                ]
                for rate, runs in sorted(rates.items())
                if not any(map(diverged, runs.values()))
            ],
            "best": own.best,
            "loss": float(np.mean([loss(run) for run in at_best])),
            "over LoRA": None if name == "LoRA" else _ends(improvement_ratio(own, lora)),
            "steps": None if name == "LoRA" else _ends(steps_ratio(own, lora)),
            "forgotten": float(np.mean([growth(run) for run in at_best])),
            "parameters": at_best[0]["trained_parameters"],
            "seconds": float(np.mean([run["seconds"] for run in at_best])),
            "memory": max((run["memory"] for run in at_best if run["memory"]), default=None),
        }
    return rows


def rates(study: RatesStudy, found: Mapping[str, Mapping[str, Measured | None]]) -> dict[str, Any]:
    """By model and task: the predicted learning rate, learning rate and mean validation loss, and
    the decades from the best learning rate to the predicted one with their interval."""
    return {
        pair: {
            "predicted": scored.predicted,
            "losses": means(scored.rates, lowest_loss),
            "decades": _ends(found["S9b"][pair]),
        }
        for pair, scored in study.pairs.items()
    }


def factors(run: Watched) -> list[dict[str, Any]]:
    """The factors of the layers before some ten of the steps."""
    found = np.array(run.factor)
    some = range(0, found.shape[1], max(1, found.shape[1] // 10))
    names = ("least", "median", "largest")
    return [
        {"step": k + 1}
        | dict(zip(names, map(float, np.quantile(found[:, k], (0, 0.5, 1))), strict=True))
        for k in some
    ]


def dynamics(runs: Sequence[Watched]) -> dict[str, Any]:
    """By step, over the layers of all runs: quantiles of the factor over its first value, and the
    share of layers whose factor grows, of those that agree and of the others."""
    factor = np.concatenate([run.factor for run in runs])
    grows, agrees = (np.concatenate(each) for each in zip(*map(grown, runs), strict=True))
    return {
        "first": np.quantile(factor[:, 0], QUANTILES).tolist(),
        "factor": np.quantile(factor / factor[:, :1], QUANTILES, axis=0).T.tolist(),
        "grows": {
            name: [
                float(g[a].mean()) if a.any() else None for g, a in zip(grows.T, of.T, strict=True)
            ]
            for name, of in (("agree", agrees), ("oppose", ~agrees))
        },
    }


def ranks(found: Found) -> dict[str, Any]:
    """The ranks, then by initialization and scale the largest learning rate of each seed, rank by
    rank, and the power of the rank in theory."""
    return {
        "ranks": [*RANKS],
        "found": {
            name: {
                scale: {
                    "rates": [[*found[scheme, scale, rank]] for rank in RANKS],
                    "power": float(rank_exponent(scheme, scale=scale)),
                }
                for scale in POWERS
            }
            for scheme, name in SCHEMES.items()
        },
    }


def curvature(sharpness: Sharpness, rates: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """By method, seed by seed: the largest eigenvalue at the start, and the best learning rate."""
    return {
        name: {"eigenvalues": [*sharpness[name]], "rates": [*rates[name]]} for name in sharpness
    }


def curvature_means(
    sharpness: Sharpness, rates: Mapping[str, Sequence[float]]
) -> list[dict[str, Any]]:
    """A record a method: geometric means of both over the seeds, and the best learning rate over
    LoRA's here and as published."""
    lora = geometric_mean(rates["LoRA"])
    return [
        {
            "method": name,
            "largest eigenvalue": geometric_mean(sharpness[name]),
            "best learning rate": geometric_mean(rates[name]),
            "over LoRA's": geometric_mean(rates[name]) / lora,
            "as published": PUBLISHED_RATES.get(name),
        }
        for name in sharpness
    ]


def gaps(outcomes: Outcomes, seeds: Sequence[int]) -> dict[str, dict[str, Any]]:
    """By method: learning rate and mean loss on the examples trained on and on unseen ones, and the
    best learning rate."""
    return {
        name: {
            "train": means(rates, lambda run: run["train"]),
            "unseen": means(rates, unseen),
            "best": chosen(rates, seeds),
        }
        for name, rates in outcomes.items()
    }


def gaps_at_best(outcomes: Outcomes, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """A record a method at its best learning rate: what is trained, the losses, the gap, and the
    bound on the gap of an error in [0, 1] with as many stored bits."""
    found = []
    for name, rates in outcomes.items():
        rate = chosen(rates, seeds)
        runs = [] if rate is None else [*rates[rate].values()]
        if runs:
            parameters = runs[0]["trained_parameters"]
            found.append(
                {
                    "method": name,
                    "learning rate": rate,
                    "trained parameters": parameters,
                    "loss on those trained on": float(np.mean([run["train"] for run in runs])),
                    "on unseen ones": float(np.mean([run["test"] for run in runs])),
                    "gap": float(np.mean([gap(run) for run in runs])),
                    f"bound on an error's gap, {BITS} bits a number": information_bound(
                        BITS * parameters * LN2, EXAMPLES
                    ),
                }
            )
    return found


def _ends(found: Measured | None) -> list[float] | None:
    return found and [found.value, found.low, found.high]


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
