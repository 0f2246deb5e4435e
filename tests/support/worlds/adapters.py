"""A made-up world for what adapters hold: every share, size and overlap has its own number."""

from collections.abc import Callable
from typing import Any

import numpy as np

from loralab.claims import Measured
from scaling.studies.evidence.adapters import Pair, Study, evidence
from tests.support.sweeps import exact

World = Study
SEEDS = (0, 1, 2, 3)
RATES = (3.2e-4, 1e-3, 3.2e-3)
BEST = {"LoRA": 3.2e-3, "Init[B]": 1e-3}
UNTRAINED = 0.25
SIGNALS = {"centred": 0.6, "uncentred": 0.85, "random": 0.1}
SAME_SEED = {"A": 0.7, "B": 0.21}
SAME_TASK = {"A": 0.05, "B": 0.33}
NEITHER = {"A": 0.02, "B": 0.11}
DIRECTIONS = {"rate": {"value": 0.8, "null": 0.75}, "abs": {"value": 0.4, "null": 0.03}}


def size_of(name: str, rate: float) -> float:
    power, size = {"LoRA": (0.3, 0.4), "Init[B]": (0.7, 0.1)}[name]
    return size * (rate / 1e-3) ** power


def run_of(name: str, rate: float, seed: int) -> dict[str, Any]:
    return exact(1, abs(np.log10(rate / BEST[name])), 10.0) | {"same_test": False}


def world() -> World:
    outcomes = {
        name: {rate: {seed: run_of(name, rate, seed) for seed in SEEDS} for rate in RATES}
        for name in BEST
    }
    features = {name: {rate: [size_of(name, rate)] * 4 for rate in RATES} for name in BEST}
    pairs = [Pair([SAME_SEED] * 2, [SAME_TASK] * 2, [NEITHER] * 2)] * 2
    return Study(outcomes, SEEDS, features, [UNTRAINED] * 4, [SIGNALS] * 4, pairs, [DIRECTIONS] * 4)


def measured(world: World) -> dict[str, dict[str, Measured | None]]:
    return evidence(world)


EXPECTED = {
    "LM10": {"centred": 0.6, "uncentred": 0.85, "random": 6.0},
    "LM11": {
        "A follows the initialization": 0.7 - 0.02,
        "B follows the task": 0.33 - 0.11,
        "A more than B": 0.7 - 0.21,
    },
    "LM12": {
        "own rates": size_of("LoRA", 3.2e-3) / size_of("Init[B]", 1e-3),
        "rate": size_of("LoRA", 3.2e-3) / size_of("LoRA", 1e-3),
        "start": size_of("LoRA", 1e-3) / size_of("Init[B]", 1e-3),
        "untrained": UNTRAINED / size_of("Init[B]", 1e-3),
    },
    "LM13": {"rate": 0.05 / 0.25, "change": 0.37 / 0.97},
}


def methods(world: World) -> World:
    a, b = world.outcomes.values()
    return world._replace(outcomes={"LoRA": b, "Init[B]": a})


def features(world: World) -> World:
    a, b = world.features.values()
    return world._replace(features={"LoRA": b, "Init[B]": a})


def in_pairs(first: str, second: str) -> Callable[[World], World]:
    def exchange(world: World) -> World:
        pairs = [
            pair._replace(**{first: getattr(pair, second), second: getattr(pair, first)})
            for pair in world.pairs
        ]
        return world._replace(pairs=pairs)

    return exchange


def factors(world: World) -> World:
    def turned(shares: Any) -> Any:
        return [{"A": each["B"], "B": each["A"]} for each in shares]

    return world._replace(pairs=[Pair(*map(turned, pair)) for pair in world.pairs])


def signals(first: str, second: str) -> Callable[[World], World]:
    def exchange(world: World) -> World:
        return world._replace(
            signals=[{**s, first: s[second], second: s[first]} for s in world.signals]
        )

    return exchange


EXCHANGES: dict[str, Callable[[World], World]] = {
    "the two initializations": methods,
    "features of the two initializations": features,
    "trained and untrained": lambda world: world._replace(untrained=world.features["LoRA"][1e-3]),
    "one seed and one task": in_pairs("same_seed", "same_task"),
    "one seed and neither": in_pairs("same_seed", "neither"),
    "one task and neither": in_pairs("same_task", "neither"),
    "A and B": factors,
    "centred and uncentred": signals("centred", "uncentred"),
    "centred and random": signals("centred", "random"),
    "the two rankings": lambda world: world._replace(
        directions=[{"rate": d["abs"], "abs": d["rate"]} for d in world.directions]
    ),
    "an overlap and its null": lambda world: world._replace(
        directions=[
            {kind: {"value": of["null"], "null": of["value"]} for kind, of in d.items()}
            for d in world.directions
        ]
    ),
}
