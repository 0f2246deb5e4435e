"""The measured value of every check of how the largest learning rate goes with the rank, by claim
and key."""

import math
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from loralab.claims import Measured
from loralab.statistics import mean
from scaling.studies.claims.ranks import CLAIMS, POWERS, RANKS, SCHEMES, TARGET, key
from theory.lr_stability import Scale

Measurements = dict[str, dict[str, Measured | None]]
# the largest learning rate of each seed, by initialization, scale and rank
Found = Mapping[tuple[str, Scale, int], Sequence[float]]


def nothing() -> Measurements:
    """No check measured."""
    return {claim.id: dict.fromkeys(claim.keys) for claim in CLAIMS}


def evidence(found: Found) -> Measurements:
    """All of them."""
    return {
        "LM15": {
            key(scheme, scale): mean(slopes([found[scheme, scale, rank] for rank in RANKS]))
            for scheme, scale in product(SCHEMES, POWERS)
        }
    }


def slopes(rates: Sequence[Sequence[float]]) -> list[float]:
    """Of each seed, of the logarithm in that of `RANKS`; the rows are of a rank each."""
    return np.polyfit(np.log(RANKS), np.log(rates), 1)[0].tolist()


def crossing(sizes: Mapping[str, float]) -> float:
    """The learning rate of the size `TARGET`, between the two that enclose it, linear in
    logarithms.

    Args:
        sizes: of `scaling.studies.trials.ranks.bounded`.
    """
    logs = sorted((math.log(float(rate)), math.log(size)) for rate, size in sizes.items())
    wanted = math.log(TARGET)
    low = max(pair for pair in logs if pair[1] <= wanted)
    high = min(pair for pair in logs if pair[1] > wanted)
    share = (wanted - low[1]) / (high[1] - low[1])
    return math.exp(low[0] + share * (high[0] - low[0]))
