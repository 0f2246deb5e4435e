"""Which trials the family runs, and on which problems."""

from functools import partial
from typing import Any

from loralab.memo import Memo
from proxies.families.asymmetry.evidence import EAGER, LAZY
from proxies.families.asymmetry.trials import (
    advice,
    digits,
    factors,
    linear,
    memory,
    similarity,
    teacher,
    tuning,
)
from proxies.families.asymmetry.trials.networks import ADAPTED, METHODS
from proxies.instruments.trial_grid import Records, product, trials

RANKS = (1, 4, 16)
SIZES = (64, 128, 512)  # data sets of A7
SINGLE_RANKS = (2, 8, 16)  # at which single layers are adapted, to score the advice on them
FIRST = 1000  # seeds of the measurements
UNSEEN = 4000  # seeds of what the advice is scored on, none of which was used while it was made
CLAIMED = ["BA, random", "B, orthonormal", "A, orthonormal"]


def collect(config: Any, memo: Memo) -> dict[str, Records]:
    """The records of every trial by name.

    Args:
        config: the family's Config.
        memo: keeps the results.
    """
    grid = partial(trials, memo)
    seeds, unseen = range(FIRST, FIRST + config.seeds), range(UNSEEN, UNSEEN + config.unseen)
    both = list(range(ADAPTED))
    methods, single = (list(METHODS), both) if config.thorough else (CLAIMED, [])
    size: dict[str, Any] = {"seeds": [config.seeds], "steps": [config.steps]}
    one = {"layers": [[layer] for layer in single], "first_seed": [UNSEEN], "samples": [1000]}
    all_layers = {"layers": [both], "first_seed": [FIRST], "samples": [1000, 100]}
    trained = {"rate": [LAZY, EAGER], "steps": [2 * config.steps], "base": seeds, "inits": [3]}
    twice = [method for method in methods if method.startswith("BA")]
    advised = [
        {**point, "turn": turn, "seed": UNSEEN + i}
        for point in product(layer=single, rank=SINGLE_RANKS, samples=[1000])
        for i, turn in enumerate(digits.turns_of(config.seeds))
    ]
    drawn = {"rank": RANKS, "draws": [config.draws], "seed": [FIRST]}
    curves = {"exponent": [1, 2], "rank": [4], "draws": [40], "seed": seeds}
    gaps = {"samples": SIZES, "repeats": [config.repeats], "seed": range(FIRST, FIRST + 10)}
    return {
        "methods": grid(tuning.adapted, method=methods, rank=[4, 8], **all_layers, **size),
        "layers": grid(tuning.adapted, method=CLAIMED[1:], rank=SINGLE_RANKS, **one, **size),
        "digits": grid(advice.on_digits, advised),
        "similarity": grid(similarity.similarity, method=twice, rank=[8], **trained),
        "haar": grid(similarity.haar, size=[64, 128], rank=[8], draws=[400], seed=[FIRST]),
        "teachers": grid(teacher.known, case=list(teacher.CASES), rank=[4], seed=seeds),
        "unseen": grid(teacher.unseen, seed=unseen),
        "spectra": grid(advice.linear, seed=unseen),
        "forms": grid(linear.closed_forms, seed=range(FIRST, FIRST + 5 * config.seeds)),
        "explained": grid(linear.explained, case=list(linear.CASES), **drawn),
        "few": grid(linear.few_inputs, **drawn),
        "conditioning": grid(linear.conditioning, **curves),
        "gaps": grid(linear.gap_draws, **gaps),
        "layer": grid(memory.one_layer, d=[256], rank=[8], tokens=[32]),
        "block": grid(memory.block, d=[64], d_ff=[176], rank=[8], tokens=[32]),
        "spaces": grid(factors.spaces, size=[96], rank=[8], seed=range(FIRST, FIRST + 30)),
        "moved": grid(factors.frozen_and_trained, seed=seeds),
    }
