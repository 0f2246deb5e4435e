"""A made-up world for the curvature at the start: of every method an eigenvalue and a best learning
rate, beside a factor that every seed has of its own."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from loralab.claims import Measured
from scaling.studies.claims.curvature import METHODS, OTHERS
from scaling.studies.evidence.curvature import evidence

SEEDS = range(3)
FACTORS = (1.0, 1.3, 0.8)  # of the eigenvalues of a seed
EIGENVALUES = dict(zip(METHODS, (4.0, 36.0, 10.0, 400.0, 150.0), strict=True))
BEST = dict(zip(METHODS, (3e-3, 8e-4, 2e-3, 1.5e-4, 6e-4), strict=True))
SHARPNESS = {name: [EIGENVALUES[name] * each for each in FACTORS] for name in METHODS}
RATES = {name: [BEST[name]] * len(SEEDS) for name in METHODS}


class World(NamedTuple):
    sharpness: dict[str, list[float]]
    outcomes: dict[str, dict[float, dict[int, dict[str, Any]]]]


def run(name: str, rate: float) -> dict[str, Any]:
    """The validation loss is a parabola in the logarithm of the learning rate."""
    return {"validation": [[40, 1 + math.log(rate / BEST[name]) ** 2]]}


def world() -> World:
    return World(
        SHARPNESS,
        {
            name: {
                BEST[name] * 2.0**k: {s: run(name, BEST[name] * 2.0**k) for s in SEEDS}
                for k in (-1.3, -0.1, 1.2)
            }
            for name in METHODS
        },
    )


def measured(world: World) -> dict[str, dict[str, Measured | None]]:
    return evidence(world.sharpness, world.outcomes, SEEDS)


X, Y = (np.log([of[name] for name in METHODS]) for of in (EIGENVALUES, BEST))
SLOPE = float(np.polyfit(X, Y, 1)[0])
EXPECTED = {
    "LM17": {name: EIGENVALUES[name] / EIGENVALUES["LoRA"] for name in OTHERS},
    "LM17b": {
        "slope": SLOPE,
        **{f"{name}, learning rate": BEST[name] / BEST["LoRA"] for name in OTHERS},
    },
}


def of_methods(one: str, other: str) -> Callable[[World], World]:
    names = {one: other, other: one}

    def exchanged(by_name: dict[str, Any]) -> dict[str, Any]:
        return {name: by_name[names.get(name, name)] for name in by_name}

    return lambda world: World(exchanged(world.sharpness), exchanged(world.outcomes))


EXCHANGES: dict[str, Callable[[World], World]] = {
    **{f"LoRA and {name}": of_methods("LoRA", name) for name in OTHERS},
    "PiSSA and MiLoRA": of_methods("PiSSA", "MiLoRA"),
    "OLoRA and LoRA-GA": of_methods("OLoRA", "LoRA-GA"),
    "the eigenvalues of LoRA and OLoRA alone": lambda world: world._replace(
        sharpness=of_methods("LoRA", "OLoRA")(world).sharpness
    ),
    "the learning rates of LoRA and OLoRA alone": lambda world: world._replace(
        outcomes=of_methods("LoRA", "OLoRA")(world).outcomes
    ),
    "eigenvalues and their inverses": lambda world: world._replace(
        sharpness={name: [1 / x for x in values] for name, values in world.sharpness.items()}
    ),
}
