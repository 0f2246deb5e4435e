"""The measured value of every check of what adapters hold, by claim and key."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from loralab.claims import Measured
from loralab.statistics import geometric_mean, mean
from scaling.comparison.summary import Outcomes
from scaling.studies.claims.adapters import CLAIMS
from scaling.studies.evidence.quantities import Sizes, inner_sizes

Measurements = dict[str, dict[str, Measured | None]]


class Pair(NamedTuple):
    """Shares of the spans of "A" and "B" of two seeds: of each seed after both tasks, of both seeds
    after each task, and of one seed after one task and the other after the other."""

    same_seed: Sequence[Mapping[str, float]]
    same_task: Sequence[Mapping[str, float]]
    neither: Sequence[Mapping[str, float]]


class Study(NamedTuple):
    """The trials.

    Args:
        outcomes: of LoRA and Init[B] on the text, by method, learning rate and seed.
        seeds: all of them.
        features: the size of the inner features of each of them, by learning rate and seed.
        untrained: that of LoRA before training, by seed.
        signals: by seed, of `scaling.studies.trials.adapters.signals`.
        pairs: of two seeds each.
        directions: by seed, of `scaling.studies.trials.adapters.directions`.
    """

    outcomes: Outcomes
    seeds: Sequence[int]
    features: Mapping[str, Sizes]
    untrained: Sequence[float]
    signals: Sequence[Mapping[str, float]]
    pairs: Sequence[Pair]
    directions: Sequence[Mapping[str, Mapping[str, float]]]


def nothing() -> Measurements:
    """No check measured."""
    return {claim.id: dict.fromkeys(claim.keys) for claim in CLAIMS}


def evidence(study: Study) -> Measurements:
    """All of them."""
    signals = study.signals
    return {
        "LM10": {
            **{key: mean([each[key] for each in signals]) for key in ("centred", "uncentred")},
            "random": geometric_mean([each["centred"] / each["random"] for each in signals]),
        },
        "LM11": {
            "A follows the initialization": mean(
                [of(pair.same_seed, "A") - of(pair.neither, "A") for pair in study.pairs]
            ),
            "B follows the task": mean(
                [of(pair.same_task, "B") - of(pair.neither, "B") for pair in study.pairs]
            ),
            "A more than B": mean(
                [of(pair.same_seed, "A") - of(pair.same_seed, "B") for pair in study.pairs]
            ),
        },
        "LM12": inner_sizes(study.outcomes, study.features, study.untrained, study.seeds),
        "LM13": {
            "rate": mean([lift(each["rate"]) for each in study.directions]),
            "change": mean([lift(each["abs"]) for each in study.directions]),
        },
    }


def of(shares: Sequence[Mapping[str, float]], factor: str) -> float:
    return sum(each[factor] for each in shares) / len(shares)


def lift(of: Mapping[str, Any]) -> float:
    """`theory.task_directions.null (2)`."""
    return (of["value"] - of["null"]) / (1 - of["null"])
