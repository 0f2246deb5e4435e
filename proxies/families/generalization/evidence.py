"""From finished trials to the evidence of every check. A ratio of two trainings is paired by
seed."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.statistics import geometric_mean, spread
from proxies.families.generalization.claims import TRAINED
from proxies.families.generalization.trials.chain import DIGITS, MNLI, RTE
from proxies.families.generalization.trials.problems import CLASSES, D_IN
from proxies.instruments.trial_grid import Records, pick

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
Result = dict[str, Any]


def evidence(trials: Mapping[str, Records], largest: int) -> dict[str, dict[str, Measured | None]]:
    """The evidence of every claim, by the keys of its checks.

    Args:
        trials: the records of `proxies.generalization`, by kind.
        largest: the training samples of the problems of which means are taken.
    """
    every = [r["result"] for r in trials["noisy"]]
    last = [r for r in trials["noisy"] if r["n"] == largest]
    # without risk every bound is zero
    clean = [r["result"] for r in trials["clean"] if r["result"]["risk"] > 0]
    digits = trials["digits"]
    return {
        "A8": {
            "gap": spread(
                [abs(r["gap"]) / min(r[name] for name in EXACT) for r in every]
                + [abs(r["drawn_gap"]) / min(r[name] for name in DRAWN) for r in every]
            ),
            "order": _finer(every, FINER),
            "order of supersamples": _finer(every, FINER_DRAWN),
            "bits": _bits(trials["noisy"]),
            "tightness": _by_seed(last, lambda r: min(r[name] for name in EXACT) / r["gap"]),
            "two gaps": spread(
                [abs(r["drawn_gap"] - r["gap"]) / r["drawn_gap_error"] for r in every]
            ),
            "ld-MI": spread([r["difference_of_draws"] / r["evaluated"] for r in clean]),
        },
        "A8b": {
            "A not counted": spread(pick(trials["memory"], "not_counted")),
            "A counted": spread(pick(trials["memory"], "counted")),
        },
        "A8c": {
            **{
                f"{name} over {factor} alone": _paired(last, name, "BA", factor)
                for name in ("gap", "risk")
                for factor in "BA"
            },
            "digits over B alone": _paired(digits, "gibbs_test", "BA", "B"),
        },
        "A8d": {"CMI over entropy": _by_seed(last, lambda r: r["conditional"] / r["entropy"])},
        "A8e": {
            key: spread(pick(trials["scale"], "B", setting=setting))
            for key, setting in {"digits": DIGITS, "MNLI": MNLI, "RTE": RTE}.items()
        },
        "A9": _certificates(digits),
        "A14": {
            key: spread(
                [abs(r["result"]["interpolating_risk"] - r["result"]["risk"]) for r in trials[kind]]
            )
            for key, kind in {"samples": "clean", "supersamples": "every"}.items()
        },
    }


def _certificates(digits: Records) -> dict[str, Measured | None]:
    """Of A9."""
    return {
        "validity": spread(
            [
                r["result"]["test"][name] / bound
                for r in digits
                for name, bound in r["result"]["bounds"].items()
            ]
        ),
        **{
            f"PAC-Bayes, {words}": spread(pick(digits, "pac_bayes", variant=variant))
            for variant, words in TRAINED.items()
        },
        "Occam": spread([bounds["32 bits"] for bounds in pick(digits, "bounds", variant="B")]),
        "divergence": spread(_ratios(digits, "divergence", "B", "A")),
        "EVA": _paired(digits, "bound", "B of EVA", "B"),
    }


def _finer(results: list[Result], pairs: tuple[tuple[str, str], ...]) -> Measured:
    """Each finer bound over the coarser one."""
    return spread([r[fine] / r[coarse] for r in results for coarse, fine in pairs])


def _bits(records: Records) -> Measured:
    """The bound of both factors over that of B alone, in units of the ratio by (3)."""
    ratio = np.sqrt((D_IN + CLASSES) / CLASSES)
    return spread([value / ratio for value in _ratios(records, "bits", "BA", "B")])


def _by_seed(records: Records, value: Callable[[Result], float]) -> Measured:
    """Geometric mean over the problems of a seed, which share their weights, and then over
    seeds."""
    seeds = dict.fromkeys(r["seed"] for r in records)
    logs = [[np.log(value(r["result"])) for r in records if r["seed"] == seed] for seed in seeds]
    return geometric_mean([float(np.exp(np.mean(log))) for log in logs])


def _ratios(records: Records, name: str, above: str, below: str) -> list[float]:
    both = (pick(records, name, variant=variant) for variant in (above, below))
    return [a / b for a, b in zip(*both, strict=True)]


def _paired(records: Records, name: str, above: str, below: str) -> Measured:
    return geometric_mean(_ratios(records, name, above, below))
