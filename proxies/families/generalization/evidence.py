"""From finished trials to the evidence of every check. A ratio of two trainings is paired by
seed."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.statistics import (
    geometric_mean,
    mean,
    resplit_geometric_mean,
    resplit_mean,
    spread,
)
from proxies.families.generalization.claims.bounds import TRAINED
from proxies.families.generalization.claims.certificates import SOURCES
from proxies.families.generalization.trials.images import TRAINED as SAMPLE
from proxies.instruments.digits import COUNT
from proxies.instruments.trial_grid import Records, pick
from theory.generalization import information_bound

# bounds on the gap over all samples
EXACT = ("bits", "class", "entropy", "individual", "difference")
# on the gap over drawn supersamples
DRAWN = ("conditional", "evaluated", "averaged", "difference_of_draws")
# coarser and finer bounds
FINER = (("bits", "class"), ("class", "entropy"), ("entropy", "individual"))
FINER_DRAWN = (
    ("conditional", "evaluated"),
    ("averaged", "evaluated"),
    ("averaged", "difference_of_draws"),
)
IMPROVED = {  # the keys of A8c beside the stored bits
    "class": "class",
    "entropy": "entropy",
    "single samples": "individual",
    "supersamples": "conditional",
    "losses": "evaluated",
    "differences": "difference",
}
# What is computed from 1000 of 1797 images varies by m/(N - m) s^2 beyond its splits' own s^2/J:
# `resplit_mean` with the images drawn as its test examples and the others as its training examples.
OTHERS = COUNT - SAMPLE
PROBLEM, SAMPLED = "problem", "sample of images"
Result = dict[str, Any]
Measurements = dict[str, dict[str, Measured | None]]


def evidence(trials: Mapping[str, Records], largest: int) -> Measurements:
    """The evidence of every claim, by the keys of its checks.

    Args:
        trials: the records of `proxies.generalization`, by kind.
        largest: the training samples of the problems of which means are taken.
    """
    return {**_bounds(trials, largest), **_certificates(trials["images"])}


def _bounds(trials: Mapping[str, Records], largest: int) -> Measurements:
    """A8 and A14."""
    every = [r["result"] for r in trials["noisy"]]
    last = [r for r in trials["noisy"] if r["n"] == largest]
    # without risk every bound is zero
    clean = [r for r in trials["clean"] if r["result"]["risk"] > 0]
    digits = [r for r in trials["images"] if r["images"] == "digits"]
    drawn = [r for r in trials["images"] if r["images"] == "drawn images"]
    loosened = lambda r: r["difference_of_draws"] / r["evaluated"]
    return {
        "A8": {
            "gap": spread(
                [abs(r["gap"]) / min(r[name] for name in EXACT) for r in every]
                + [abs(r["drawn_gap"]) / min(r[name] for name in DRAWN) for r in every],
                PROBLEM,
            ),
            "order": _finer(every, FINER),
            "order of supersamples": _finer(every, FINER_DRAWN),
            "A from the sample": spread(pick(trials["memory"], "counted"), PROBLEM),
        },
        "A8b": {"A from the sample": spread(pick(trials["memory"], "not_counted"), PROBLEM)},
        "A8c": {
            "stored bits": _stored(last),
            **{key: _paired(last, name, "B", "BA") for key, name in IMPROVED.items()},
        },
        "A8d": {"CMI over entropy": _by_seed(last, lambda r: r["conditional"] / r["entropy"])},
        "A8f": {f"{factor} alone": _paired(last, "gap", factor, "BA") for factor in "BA"},
        "A8g": {
            **{f"{factor} alone": _paired(last, "risk", factor, "BA") for factor in "BA"},
            "digits": _of_splits(_ratios(digits, "gibbs_test", "B", "BA")),
            "drawn images": geometric_mean(_ratios(drawn, "gibbs_test", "B", "BA"), SAMPLED),
        },
        "A8h": {
            "noisy labels": _by_seed(last, loosened),
            "fitted labels": _by_seed(clean, loosened),
        },
        "A8i": {"least bound": _by_seed(last, lambda r: min(r[name] for name in EXACT) / r["gap"])},
        "A14": {
            key: spread(
                [
                    abs(r["result"]["interpolating_risk"] - r["result"]["risk"])
                    for r in trials[kind]
                ],
                PROBLEM,
            )
            for key, kind in {"samples": "clean", "supersamples": "every"}.items()
        },
    }


def _certificates(images: Records) -> Measurements:
    """A9, on the digits with the variance of re-splits and on drawn images."""
    found: Measurements = {"A9": {}, "A9b": {}, "A9c": {}, "A9d": {}}
    for source in SOURCES:
        of = [r for r in images if r["images"] == source]
        resplit = source == "digits"
        average = _mean_of_splits if resplit else lambda values: mean(values, SAMPLED)
        ratio = _of_splits if resplit else lambda values: geometric_mean(values, SAMPLED)
        for variant, words in TRAINED.items():
            bounds = pick(of, "pac_bayes", variant=variant)
            found["A9"][f"{source}, PAC-Bayes, {words}"] = average(bounds)
            untouched = pick(of, "untouched", variant=variant)
            found["A9b"][f"{source}, {words}"] = ratio(
                [a / b for a, b in zip(pick(of, "bound", variant=variant), untouched, strict=True)]
            )
        found["A9"][f"{source}, Occam"] = average(
            [bounds["32 bits"] for bounds in pick(of, "bounds", variant="B")]
        )
        found["A9c"][source] = ratio(_ratios(of, "divergence", "B", "A"))
        found["A9d"][source] = ratio(_ratios(of, "bound", "B of EVA", "B"))
    return found


def _mean_of_splits(values: list[float]) -> Measured:
    return resplit_mean(values, train=OTHERS, test=SAMPLE)


def _of_splits(values: list[float]) -> Measured:
    return resplit_geometric_mean(values, train=OTHERS, test=SAMPLE)


def _finer(results: list[Result], pairs: tuple[tuple[str, str], ...]) -> Measured:
    """Each finer bound over the coarser one."""
    return spread([r[fine] / r[coarse] for r in results for coarse, fine in pairs], PROBLEM)


def _stored(records: Records) -> Measured:
    """The bound by the adapters that enumeration found, B alone over both."""
    bounds = {
        variant: [
            information_bound(float(np.log(r["result"]["adapters"])), r["n"])
            for r in records
            if r["variant"] == variant
        ]
        for variant in ("B", "BA")
    }
    return spread([b / both for b, both in zip(bounds["B"], bounds["BA"], strict=True)], PROBLEM)


def _by_seed(records: Records, value: Callable[[Result], float]) -> Measured:
    """Geometric mean over the problems of a seed, which share their weights, and then over
    seeds."""
    seeds = dict.fromkeys(r["seed"] for r in records)
    logs = [[np.log(value(r["result"])) for r in records if r["seed"] == seed] for seed in seeds]
    return geometric_mean([float(np.exp(np.mean(log))) for log in logs], PROBLEM)


def _ratios(records: Records, name: str, above: str, below: str) -> list[float]:
    both = (pick(records, name, variant=variant) for variant in (above, below))
    return [a / b for a, b in zip(*both, strict=True)]


def _paired(records: Records, name: str, above: str, below: str) -> Measured:
    return geometric_mean(_ratios(records, name, above, below), PROBLEM)
