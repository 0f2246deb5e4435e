"""One factor of an adapter frozen (arXiv:2402.16842): what is exactly true of it, and when to
freeze which.

Least squares against closed forms, a layer inside small networks, digits, memory, and what released
names mean.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.asymmetry.claims import CLAIMS
from proxies.families.asymmetry.evidence import EAGER, LAZY, PARTS, Records
from proxies.families.asymmetry.tables import figure_data, tables
from proxies.families.asymmetry.trials import (
    advice,
    factors,
    linear,
    memory,
    similarity,
    teacher,
    tuning,
)
from proxies.families.asymmetry.trials.networks import ADAPTED, METHODS

RANKS = (1, 4, 16)
SINGLE_RANKS = (2, 8, 16)  # at which single layers are adapted, to score the advice on them
FIRST = 1000  # seeds of the measurements
FRESH = 4000  # seeds of what the advice is scored on, none of which was looked at while it was made
SAMPLES = (64, 128, 512)
BOTH = list(range(ADAPTED))
CLAIMED = ["BA, random", "B, orthonormal", "A, orthonormal"]


@dataclass(frozen=True)
class Config:
    draws: int = 1000
    """random problems a cell of least squares"""
    repeats: int = 40
    """data sets a problem of A7"""
    seeds: int = 6
    """nets, teachers and problems, seeded 1000, 1001, ..."""
    steps: int = 200
    """of Adam, for the comparison on digits"""
    fresh: int = 40
    """cases that the advice on freezing is scored on, of each kind"""
    thorough: bool = True
    """on digits compare every start of the factors, not only the claims' own, and adapt single
    layers (A15)"""

    def __post_init__(self) -> None:
        for name, least, reason in (
            ("draws", 400, "to tell a coin flip from 0.35"),
            ("repeats", 20, "for a standard error"),
            ("seeds", 5, "for an interval"),
            ("steps", 50, "for the nets to learn"),
            ("fresh", 20, "for an interval"),
        ):
            if getattr(self, name) < least:
                raise ValueError(
                    f"--{name} must be at least {least} {reason}, got {getattr(self, name)}."
                )


def _map(memo: Memo, cell: Callable[..., Any], **axes: Sequence[Any]) -> Records:
    """The cell at every point of a grid: its arguments and its results in one record."""
    points = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    return [
        {**point, **result} for point, result in zip(points, memo.map(cell, points), strict=True)
    ]


def _collect(config: Config, memo: Memo) -> dict[str, Records]:
    seeds = [FIRST + i for i in range(config.seeds)]
    run = {"seeds": [config.seeds], "steps": [config.steps]}
    methods, both = (
        (list(METHODS), ["BA, random", "BA, orthonormal"])
        if config.thorough
        else (CLAIMED, CLAIMED[:1])
    )
    turns = tuning.turns_of(config.seeds)
    digits = [
        {"layer": layer, "rank": rank, "samples": 1000, "turn": turn, "seed": FRESH + i}
        for layer in (BOTH if config.thorough else [])
        for rank in SINGLE_RANKS
        for i, turn in enumerate(turns)
    ]
    return {
        "methods": _map(
            memo,
            tuning.adapted,
            method=methods,
            rank=[4, 8],
            samples=[1000, 100],
            first_seed=[FIRST],
            layers=[BOTH],
            **run,
        ),
        "layers": _map(
            memo,
            tuning.adapted,
            method=CLAIMED[1:],
            rank=SINGLE_RANKS,
            samples=[1000],
            first_seed=[FRESH],
            layers=[[layer] for layer in BOTH] if config.thorough else [],
            **run,
        ),
        "digits": [
            {**p, **r} for p, r in zip(digits, memo.map(advice.on_digits, digits), strict=True)
        ],
        "similarity": _map(
            memo,
            similarity.similarity,
            method=both,
            rank=[8],
            rate=[LAZY, EAGER],
            steps=[2 * config.steps],
            base=seeds,
            inits=[3],
        ),
        "haar": _map(memo, similarity.haar, size=[64, 128], rank=[8], draws=[400], seed=[FIRST]),
        "teachers": _map(memo, teacher.known, case=list(teacher.CASES), rank=[4], seed=seeds),
        "fresh": _map(memo, teacher.fresh, seed=range(FRESH, FRESH + config.fresh)),
        "spectra": _map(memo, advice.linear, seed=range(FRESH, FRESH + config.fresh)),
        "forms": _map(memo, linear.closed_forms, seed=range(FIRST, FIRST + 5 * config.seeds)),
        "explained": _map(
            memo,
            linear.explained,
            case=list(linear.CASES),
            rank=RANKS,
            draws=[config.draws],
            seed=[FIRST],
        ),
        "few": _map(memo, linear.few_inputs, rank=RANKS, draws=[config.draws], seed=[FIRST]),
        "conditioning": _map(
            memo, linear.conditioning, exponent=[1, 2], rank=[4], draws=[40], seed=seeds
        ),
        "gaps": _map(
            memo,
            linear.gap_draws,
            samples=SAMPLES,
            repeats=[config.repeats],
            seed=range(FIRST, FIRST + 10),
        ),
        "layer": _map(memo, memory.one_layer, d=[256], rank=[8], tokens=[32]),
        "block": _map(memo, memory.block, d=[64], d_ff=[176], rank=[8], tokens=[32]),
        "spaces": _map(memo, factors.spaces, size=[96], rank=[8], seed=range(FIRST, FIRST + 30)),
        "moved": _map(memo, factors.frozen_and_trained, seed=seeds),
    }


def measure(config: Config, memo: Memo) -> Evidence:
    cells = _collect(config, memo)
    measured = {id: checks for part in PARTS for id, checks in part(cells).items()}
    return Evidence(
        {claim.id: measured[claim.id] for claim in CLAIMS}, figure_data(cells), tables(cells)
    )


PROXY = Proxy(
    "asymmetry",
    Config,
    CLAIMS,
    measure,
    quick=Config(draws=400, repeats=20, seeds=5, steps=100, fresh=20, thorough=False),
)

if __name__ == "__main__":
    PROXY.main()
