"""From finished trials to the tables that people read, and to the data that the figures are drawn
from."""

from collections.abc import Mapping
from typing import Any

from loralab.statistics import mean
from proxies.families.generalization.claims.bounds import TRAINED
from proxies.families.generalization.claims.certificates import SOURCES
from proxies.families.generalization.trials.posterior import CONFIGS
from proxies.instruments.trial_grid import Records, pick

BOUNDS = {
    "bits": "stored bits",
    "class": "size of the class",
    "entropy": "entropy",
    "individual": "single samples",
    "conditional": "supersample (CMI)",
    "evaluated": "its losses (e-CMI)",
    "difference": "loss differences (ld-MI)",
}
CHAIN = {"train": "training error", "risk": "risk", "gap": "gap", **BOUNDS}
IMAGES = {
    "numbers": "numbers",
    "gibbs_train": "training error, posterior",
    "gibbs_test": "test error, posterior",
    "divergence": "KL, nats",
    "pac_bayes": "PAC-Bayes-kl",
    "bound": "certificate",
    "mean_gap": "bound on the mean gap",
}
WORDS = {**TRAINED, "B of EVA": "B alone, A of EVA"}


def tables(trials: Mapping[str, Records], largest: int) -> dict[str, Records]:
    """By title; of the problems those with the largest number of training samples."""
    last = [r for r in trials["noisy"] if r["n"] == largest]
    return {
        f"The generalization gap and its bounds, n = {largest} (means over problems)": _means(
            last, list(TRAINED), CHAIN
        ),
        "The stored-bits bound at the sizes that people train, 0-1 loss": merged(trials["scale"]),
        **{
            f"Adapters of {words} (means)": _means(
                [r for r in trials["images"] if r["images"] == source], list(CONFIGS), IMAGES
            )
            for source, (words, _) in SOURCES.items()
        },
    }


def data(trials: Mapping[str, Records]) -> dict[str, Any]:
    """What the figures are drawn from."""
    return {
        "titles": BOUNDS,
        "trained": WORDS,
        "noisy": merged(trials["noisy"]),
        "images": merged(trials["images"]),
    }


def merged(records: Records) -> Records:
    """The arguments and the results of each trial in one record."""
    return [{**{k: v for k, v in r.items() if k != "result"}, **r["result"]} for r in records]


def _means(records: Records, variants: list[str], columns: dict[str, str]) -> Records:
    """A row for each variant, with the mean of each column."""
    return [
        {
            "trained": WORDS[variant],
            **{
                title: mean(pick(records, name, variant=variant)).value
                for name, title in columns.items()
            },
        }
        for variant in variants
    ]
