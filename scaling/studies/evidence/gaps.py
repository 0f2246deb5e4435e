"""The measured value of every check of the generalization gaps, by claim and key."""

from collections.abc import Sequence

from loralab.claims import Measured
from scaling.comparison.summary import Outcome, Outcomes
from scaling.studies.claims.gaps import ALONE, BOTH, CLAIMS
from scaling.studies.evidence.improvements import Swept, difference

Measurements = dict[str, dict[str, Measured | None]]


def nothing() -> Measurements:
    """No check measured."""
    return {claim.id: dict.fromkeys(claim.keys) for claim in CLAIMS}


def evidence(outcomes: Outcomes, seeds: Sequence[int]) -> Measurements:
    """All of them.

    Args:
        outcomes: of `scaling.studies.trials.gaps.fitted`, by method, learning rate and seed.
        seeds: all of them.
    """
    swept = {name: Swept(rates, seeds) for name, rates in outcomes.items()}
    return {
        "LM16": {
            **{name: difference(swept[name], swept[BOTH], gap) for name in ALONE},
            **{f"{name}, unseen": difference(swept[name], swept[BOTH], unseen) for name in ALONE},
        }
    }


def gap(run: Outcome) -> float:
    """How much higher the loss on unseen examples is than on those trained on."""
    return run["test"] - run["train"]


def unseen(run: Outcome) -> float:
    return run["test"]
