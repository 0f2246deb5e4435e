"""One factor of an adapter frozen (arXiv:2402.16842): what is exactly true of it, and when to
freeze which.

Least squares against closed forms, a layer inside small networks, digits, memory, and what released
names mean.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.asymmetry.claims import CLAIMS
from proxies.families.asymmetry.evidence import EAGER, LAZY, Trials, evidence
from proxies.families.asymmetry.tables import figure_data, tables
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
from proxies.instruments.trial_grid import product, trials

RANKS = (1, 4, 16)
SIZES = (64, 128, 512)  # data sets of A7
SINGLE_RANKS = (2, 8, 16)  # at which single layers are adapted, to score the advice on them
FIRST = 1000  # seeds of the measurements
UNSEEN = 4000  # seeds of what the advice is scored on, none of which was used while it was made
CLAIMED = ["BA, random", "B, orthonormal", "A, orthonormal"]


@dataclass(frozen=True)
class Config:
    draws: int = 1000
    """random problems a trial of least squares"""
    repeats: int = 40
    """data sets a problem of A7"""
    seeds: int = 6
    """networks, teachers and problems, seeded 1000, 1001, ..."""
    steps: int = 200
    """of Adam, for the comparison on digits"""
    unseen: int = 40
    """cases that the advice on freezing is scored on, of each kind"""
    thorough: bool = True
    """on digits compare every initialization of the factors, not only the claims' own, and adapt
    single layers (A15)"""

    def __post_init__(self) -> None:
        for name, least, reason in (
            ("draws", 400, "to tell a coin flip from 0.35"),
            ("repeats", 20, "for a standard error"),
            ("seeds", 5, "for an interval"),
            ("steps", 50, "for the networks to learn"),
            ("unseen", 20, "for an interval"),
        ):
            if (value := getattr(self, name)) < least:
                raise ValueError(f"--{name} must be at least {least} {reason}, got {value}.")


def run(config: Config, memo: Memo) -> Trials:
    """Every trial of a configuration, by the names that evidence and tables know."""
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


def measure(config: Config, memo: Memo) -> Evidence:
    found = run(config, memo)
    return Evidence(evidence(found), figure_data(found), tables(found))


PROXY = Proxy(
    "asymmetry",
    Config,
    CLAIMS,
    measure,
    quick=Config(draws=400, repeats=20, seeds=5, steps=100, unseen=20, thorough=False),
)

if __name__ == "__main__":
    PROXY.main()
