"""The measured value of every check of the findings, by claim and key."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from loralab.claims import Measured
from scaling.comparison.summary import Outcomes
from scaling.studies.claims.findings import CLAIMS, MARGIN
from scaling.studies.evidence.quantities import (
    Runs,
    Sizes,
    difference,
    inner_sizes,
    learning_rate_ratio,
    steps_ratio,
    width_difference,
)

Measurements = dict[str, dict[str, Measured | None]]


class Study(NamedTuple):
    """The trials of the findings.

    Args:
        outcomes: by method, learning rate and seed.
        best: the learning rate of each method that `seeds` choose.
        seeds: those at every learning rate.
        unseen: those at the best learning rate alone.
        features: the size of the inner features of each of FEATURES, by learning rate and seed.
        untrained: that of LoRA before training, by seed.
    """

    outcomes: Outcomes
    best: Mapping[str, float]
    seeds: Sequence[int]
    unseen: Sequence[int]
    features: Mapping[str, Sizes]
    untrained: Sequence[float]

    def at_best(self, name: str) -> Runs:
        """The unseen seeds' runs; none where the method diverged at each learning rate."""
        runs = self.outcomes[name].get(self.best.get(name, 0.0), {})
        return {seed: runs[seed] for seed in self.unseen if seed in runs}

    def below(self, name: str) -> Runs:
        """The runs at the next learning rate below LoRA's best."""
        rate = max(rate for rate in self.outcomes["LoRA"] if rate < self.best["LoRA"])
        runs = self.outcomes[name].get(rate, {})
        return {seed: runs[seed] for seed in self.seeds if seed in runs}


def nothing() -> Measurements:
    """No check measured."""
    return {claim.id: dict.fromkeys(claim.keys) for claim in CLAIMS if claim.checks}


def evidence(study: Study) -> Measurements:
    """All of them."""
    outcomes, seeds = study.outcomes, study.seeds

    def gain(name: str, over: str = "LoRA") -> Measured | None:
        return difference(study.at_best(name), study.at_best(over))

    def steps(over: str) -> Measured | None:
        return steps_ratio(study.at_best("EVA"), study.at_best(over))

    def steps_below(over: str) -> Measured | None:
        return steps_ratio(study.below("EVA"), study.below(over))

    against = ("LoRA", "orthogonal")
    return {
        "S1": {"learning rate": learning_rate_ratio(outcomes["LoRA"], outcomes["Init[B]"], seeds)},
        "S1c": dict.fromkeys(("accuracy", "no worse"), gain("LoRA", "Init[B]")),
        "S1b": inner_sizes(outcomes, study.features, study.untrained, seeds),
        "S2": {name: steps(name) for name in against},
        "S2c": {name: steps_below(name) for name in against},
        "S2b": {name: gain("EVA", name) for name in against},
        "S3": {"accuracy": gain("B alone", "A alone")},
        "S4": {"accuracy": gain("B alone, rank 16")},
        "S4b": {"accuracy": gain("B alone")},
        "S5": {"decades": width_difference(outcomes["OP-LoRA"], outcomes["LoRA"], seeds, MARGIN)},
        "S5b": {"accuracy": gain("OP-LoRA")},
        "S6": {
            **dict.fromkeys(("equal rank", "no difference"), gain("Dash")),
            "rank r + s": gain("Dash", "LoRA, rank 16"),
        },
        "S7": {"accuracy": gain("Nyström")},
        "S7b": {"weight": gain("gradient Nyström", "Nyström"), "LoRA": gain("gradient Nyström")},
    }
