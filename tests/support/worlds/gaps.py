"""A made-up world for the generalization gaps: every method has its own losses on the examples that
were trained on and on unseen ones, and the validation loss chooses the middle learning rate."""

from collections.abc import Callable
from typing import Any

from loralab.claims import Measured
from scaling.studies.evidence.gaps import evidence

World = dict[str, dict[float, dict[int, dict[str, Any]]]]
SEEDS = range(3)
RATES = {"LoRA": (1e-3, 3.2e-3, 1e-2), "B alone": (3.2e-3, 1e-2, 3.2e-2), "A alone": (3e-4, 1e-3)}
TRAIN = {"LoRA": 0.5, "B alone": 0.73, "A alone": 0.61}  # at the best learning rate
UNSEEN = {"LoRA": 1.25, "B alone": 1.31, "A alone": 1.12}


def run(method: str, k: int, seed: int) -> dict[str, Any]:
    """The second learning rate is the best; at the others all losses are other ones."""
    off = abs(k - 1)
    return {
        "train": TRAIN[method] - 0.2 * off + 0.01 * seed,
        "validation": [[60, 1.2 + 0.1 * off + 0.02 * seed]],
        "test": UNSEEN[method] + 0.3 * off + 0.01 * seed,
        "trained_parameters": 100,
    }


def world() -> World:
    return {
        name: {rate: {seed: run(name, k, seed) for seed in SEEDS} for k, rate in enumerate(rates)}
        for name, rates in RATES.items()
    }


def measured(world: World) -> dict[str, dict[str, Measured | None]]:
    return evidence(world, SEEDS)


def gap(method: str) -> float:
    return UNSEEN[method] - TRAIN[method]


EXPECTED = {
    "LM16": {
        **{name: gap(name) - gap("LoRA") for name in ("B alone", "A alone")},
        **{f"{name}, unseen": UNSEEN[name] - UNSEEN["LoRA"] for name in ("B alone", "A alone")},
    }
}


def of_methods(one: str, other: str) -> Callable[[World], World]:
    names = {one: other, other: one}
    return lambda world: {name: world[names.get(name, name)] for name in world}


def of_runs(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[World], World]:
    return lambda world: {
        name: {rate: {s: run | change(run) for s, run in runs.items()} for rate, runs in of.items()}
        for name, of in world.items()
    }


EXCHANGES: dict[str, Callable[[World], World]] = {
    "B alone and A alone": of_methods("B alone", "A alone"),
    "B alone and LoRA": of_methods("B alone", "LoRA"),
    "A alone and LoRA": of_methods("A alone", "LoRA"),
    "trained on and unseen": of_runs(lambda run: {"train": run["test"], "test": run["train"]}),
    "validation and unseen": of_runs(
        lambda run: {"test": run["validation"][0][1], "validation": [[60, run["test"]]]}
    ),
}
