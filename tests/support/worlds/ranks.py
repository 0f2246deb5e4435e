"""A made-up world for the largest learning rate over the rank: a power of it for each
initialization and scale, and a factor that every seed has of its own."""

from collections.abc import Callable
from itertools import product

import numpy as np

from loralab.claims import Measured
from scaling.studies.claims.ranks import MIDDLE, POWERS, RANKS, SCHEMES, key
from scaling.studies.evidence.ranks import Found, evidence
from theory.lr_stability import Scale

World = dict[tuple[str, Scale, int], list[float]]
CASES = list(product(SCHEMES, POWERS))
SLOPES = dict(zip(CASES, (0.05, -0.3, -0.45, 0.9, 0.55, -0.07), strict=True))
BEND = dict(
    zip(CASES, (0.01, 0.02, 0.03, 0.04, 0.05, 0.06), strict=True)
)  # at the middle rank, in logs
SEEDS = (1.0, 1.1, 0.8)


def world() -> World:
    return {
        (scheme, scale, rank): [
            0.01
            * seed
            * (rank / MIDDLE) ** SLOPES[scheme, scale]
            * np.exp(BEND[scheme, scale] * (rank == MIDDLE))
            for seed in SEEDS
        ]
        for (scheme, scale), rank in product(CASES, RANKS)
    }


def measured(world: Found) -> dict[str, dict[str, Measured | None]]:
    return evidence(world)


# a bend in the middle of three equal steps moves no slope
EXPECTED = {"LM15": {key(*case): slope for case, slope in SLOPES.items()}}


def exchanged(change: Callable[[str, Scale, int], tuple[str, Scale, int]]):
    return lambda world: {name: world[change(*name)] for name in world}


def of_scales(one: Scale, other: Scale) -> Callable[[World], World]:
    names: dict[Scale, Scale] = {one: other, other: one}
    return exchanged(lambda scheme, scale, rank: (scheme, names.get(scale, scale), rank))


def of_ranks(one: int, other: int) -> Callable[[World], World]:
    names = {one: other, other: one}
    return exchanged(lambda scheme, scale, rank: (scheme, scale, names.get(rank, rank)))


EXCHANGES: dict[str, Callable[[World], World]] = {
    "Init[A] and Init[B]": exchanged(
        lambda scheme, scale, rank: ("init_b" if scheme == "init_a" else "init_a", scale, rank)
    ),
    "alpha/r and alpha/sqrt(r)": of_scales("alpha/r", "alpha/sqrt(r)"),
    "alpha/r and constant": of_scales("alpha/r", "constant"),
    "the least and the largest rank": of_ranks(RANKS[0], RANKS[-1]),
    "the least rank and the next": of_ranks(*RANKS[:2]),
    "learning rates and their inverses": lambda world: {
        name: [1 / rate for rate in rates] for name, rates in world.items()
    },
}
