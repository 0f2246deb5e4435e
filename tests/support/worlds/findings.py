"""A made-up world for the findings: every method has its own number of right answers, its own best
learning rate and its own speed, and the seeds that choose have others than the unseen ones."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from loralab.claims import Measured
from scaling.studies.evidence.findings import Study, evidence
from scaling.studies.trials.plan import LEARNING_RATES, METHODS
from tests.support.sweeps import EXACT, STEPS, exact

World = Study
NAMES = list(METHODS)
SEEDS, UNSEEN = (0, 1, 2), (3, 4)
RIGHT = {name: 2**k for k, name in enumerate(reversed(NAMES))}
LOW = 10**-3.5
BEST = dict.fromkeys(NAMES, 1e-3) | {"Init[B]": LOW}
NEAREST = dict.fromkeys(NAMES, 1e-3) | {"Init[B]": 3.2e-4}
TAU = {name: 7.0 + 0.7 * k for k, name in enumerate(NAMES)}
TAU |= {"LoRA": 24.0, "EVA": 12.0, "orthogonal": 18.0}
TRAINED = {"A alone": 100, "B alone": 130}
UNTRAINED = 0.25


def run_of(name: str, rate: float, seed: int) -> dict[str, Any]:
    """The seeds that choose learn more slowly and answer an eighth of what the unseen ones do."""
    away = abs(np.log10(rate / BEST[name]))
    chooses = seed - min(SEEDS) < len(SEEDS)
    right = RIGHT[name] if rate == NEAREST[name] else 0
    tau = TAU[name] + 20 * away + 5 * chooses
    made = exact(right // 8 if chooses else right, away, tau)
    return made | {"trained_parameters": TRAINED.get(name, 7)}


def feature_of(name: str, rate: float) -> float:
    power, size = {"LoRA": (0.3, 0.4), "Init[B]": (0.7, 0.1)}[name]
    return size * (rate / 1e-3) ** power


def world() -> World:
    outcomes: dict[str, dict[float, dict[int, Any]]] = {}
    for name, rate in product(NAMES, LEARNING_RATES):
        seeds = (*SEEDS, *UNSEEN) if rate == NEAREST[name] else SEEDS
        runs = {seed: run_of(name, rate, seed) | {"same_test": False} for seed in seeds}
        outcomes.setdefault(name, {})[rate] = runs
    features = {
        name: {rate: [feature_of(name, rate)] * len(SEEDS) for rate in LEARNING_RATES}
        for name in ("LoRA", "Init[B]")
    }
    return Study(outcomes, dict(NEAREST), SEEDS, UNSEEN, features, [UNTRAINED] * len(SEEDS))


def measured(world: World) -> dict[str, dict[str, Measured | None]]:
    return evidence(world)


def gain(first: str, second: str = "LoRA") -> float:
    return (RIGHT[first] - RIGHT[second]) / EXACT


def steps(first: float, second: float) -> float:
    """Steps of an exponential exp(-t / first) to where exp(-t / second) ends, over its own: means
    of a tenth of the steps, to the last of them and its standard error."""
    window = STEPS // 10
    t = np.arange(STEPS)
    means = [
        np.convolve(np.exp(-t / tau), np.ones(window) / window, "valid") for tau in (first, second)
    ]
    last = np.exp(-t / second)[-window:]
    target = last.mean() + last.std() / window**0.5
    own, reference = (np.flatnonzero(np.append(m, 0) <= target)[0] for m in means)
    return float(min(own + window, STEPS) / (reference + window))


def decades(name: str) -> float:
    """Within half a decade at both sides the score falls to 0; a method whose best is below .02 is
    within .02 of it everywhere."""
    part = 0.02 * EXACT / (RIGHT[name] // 8)
    return 2.0 if part >= 1 else float(np.log10(3.2e-3 / 3.2e-4)) * part


AT = 0.5 - (np.log10(3.2e-4) + 3.5)  # decades from 1e-3 to the next lower learning rate
BELOW = {name: TAU[name] + 20 * AT + 5 for name in ("EVA", "LoRA", "orthogonal")}
DASH = gain("Dash")
EXPECTED = {
    "S1": {"learning rate": 1e-3 / LOW},
    "S1c": {"accuracy": gain("LoRA", "Init[B]"), "no worse": gain("LoRA", "Init[B]")},
    "S1b": {
        "own rates": feature_of("LoRA", 1e-3) / feature_of("Init[B]", 3.2e-4),
        "rate": feature_of("LoRA", 1e-3) / feature_of("LoRA", 3.2e-4),
        "start": feature_of("LoRA", 3.2e-4) / feature_of("Init[B]", 3.2e-4),
        "untrained": UNTRAINED / feature_of("Init[B]", 3.2e-4),
    },
    "S2": {name: steps(TAU["EVA"], TAU[name]) for name in ("LoRA", "orthogonal")},
    "S2c": {name: steps(BELOW["EVA"], BELOW[name]) for name in ("LoRA", "orthogonal")},
    "S2b": {name: gain("EVA", name) for name in ("LoRA", "orthogonal")},
    "S3": {"accuracy": gain("B alone", "A alone")},
    "S4": {"accuracy": gain("B alone, rank 16")},
    "S4b": {"accuracy": gain("B alone")},
    "S5": {"decades": decades("OP-LoRA") - decades("LoRA")},
    "S5b": {"accuracy": gain("OP-LoRA")},
    "S6": {
        "equal rank": DASH,
        "no difference": DASH,
        "rank r + s": gain("Dash", "LoRA, rank 16"),
    },
    "S7": {"accuracy": gain("Nyström")},
    "S7b": {
        "weight": gain("gradient Nyström", "Nyström"),
        "LoRA": gain("gradient Nyström"),
    },
}
# one datum judged by the source's sentence and by a margin
SAME = (
    frozenset({"S1c/accuracy", "S1c/no worse"}),
    frozenset({"S6/equal rank", "S6/no difference"}),
)


def swapped(first: str, second: str) -> Callable[[World], World]:
    def exchange(world: World) -> World:
        outcomes = dict(world.outcomes)
        outcomes[first], outcomes[second] = outcomes[second], outcomes[first]
        best = {**world.best, first: world.best[second], second: world.best[first]}
        return world._replace(outcomes=outcomes, best=best)

    return exchange


def features(world: World) -> World:
    a, b = world.features.values()
    return world._replace(features={"LoRA": b, "Init[B]": a})


def lowest(world: World) -> World:
    """What is half a decade below LoRA's best, and what is at the lowest learning rate."""

    def exchanged(rates: Any) -> Any:
        return {**rates, 1e-4: rates[3.2e-4], 3.2e-4: rates[1e-4]}

    return world._replace(outcomes={name: exchanged(r) for name, r in world.outcomes.items()})


EXCHANGES: dict[str, Callable[[World], World]] = {
    **{
        f"{first} and {second}": swapped(first, second)
        for first, second in (
            ("LoRA", "EVA"),
            ("LoRA", "Init[B]"),
            ("EVA", "orthogonal"),
            ("A alone", "B alone"),
            ("B alone", "B alone, rank 16"),
            ("LoRA", "LoRA, rank 16"),
            ("OP-LoRA", "Dash"),
            ("Nyström", "gradient Nyström"),
        )
    },
    "features of the two starts": features,
    "trained and untrained": lambda world: world._replace(untrained=world.features["LoRA"][1e-3]),
    "seeds that choose and unseen ones": lambda world: world._replace(unseen=world.seeds[:2]),
    "the next lower learning rate and the lowest": lowest,
}
