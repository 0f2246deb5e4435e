"""A made-up world for the evidence of the gradient-signal family: every initialization, task,
number of steps, decay and trial has values of its own, and no two seeds have the same."""

from collections.abc import Callable
from typing import Any

import numpy as np

from proxies.families.gradient_signal import evidence

Trials = dict[str, list[dict[str, Any]]]
SEEDS = (1, 2, 3)
# of whose rows the layers of networks are measured, and of what is trained
CAPTURED = (
    "default",
    "orthogonal",
    "same E|Ax|^2",
    "EVA",
    "EVA uncentred",
    "EVA rotated",
    "minor",
    "gradient SVD",
    "gradient_signal",
    "PiSSA",
    "OLoRA",
    "CorDA",
)
TRAINED = (*CAPTURED, "LoRA-GA", "EVA, ranks moved")
OF = ("token", "data set", "inputs")
BUDGETS = {
    ("docstrings", "adam"): (10, 40),
    ("code", "adam"): (10, 40),
    ("photographs", "adam"): (10, 40, 160),
    ("digits", "adam"): (10, 40, 160),
    ("digits", "sgd"): (10, 40, 160),
}
TASKS = tuple(BUDGETS)
EARLY = [task for task in TASKS if task[1] == "adam"]


def records(axes: dict[str, Any] | None = None, /, **base: float) -> list[dict[str, Any]]:
    """A record a seed, whose entries are their base times 1, 3, 8: their mean is 4, their median 3
    times it."""
    return [
        {**(axes or {}), "result": {name: value * size for name, value in base.items()}}
        for size in (1, 3, 8)
    ]


def share(place: int, name: str, of: str, seed: int) -> float:
    at = CAPTURED.index(name)
    return (100 * place + 10 * at + OF.index(of) + 1) * seed ** (0.1 * at)


def networks(place: int, outside: int, other: bool) -> list[dict[str, Any]]:
    """Two layers a seed, the second of which captures three times as much as the first; the first
    lies outside the bounds of centring on the first seeds, the `other` on all or none."""

    def layer(times: float, seed: int, **rest: Any) -> dict[str, Any]:
        captured = {n: {of: times * share(place, n, of, seed) for of in OF} for n in CAPTURED}
        return {"captured": captured, **rest}

    return [
        {
            "result": [
                layer(1, seed, inside=seed > outside, deficit=seed / 100),
                layer(3, seed, inside=not other),
            ]
        }
        for seed in SEEDS
    ]


def loss(name: str, task: tuple[str, str], steps: int, seed: int) -> float:
    at = TRAINED.index(name)
    return (7 + at) ** (1 + TASKS.index(task) / 3 + steps / 100) * seed ** (0.1 * at)


def tuned(task: tuple[str, str]) -> dict[str, Any]:
    steps = list(BUDGETS[task])
    runs = {
        name: {
            "inside": [True] * len(steps),
            "test": [[loss(name, task, n, seed) for seed in SEEDS] for n in steps],
        }
        for name in TRAINED
    }
    numbers = [{"moved": 5 + TASKS.index(task) + seed, "equal": 100} for seed in SEEDS]
    return {"task": task, "steps": steps, "result": {"parameters": numbers, **runs}}


def world() -> Trials:
    return {
        "tuned": [tuned(task) for task in TASKS],
        "minilm": networks(2, outside=1, other=False),
        "digits": networks(1, outside=3, other=True),
        "captured": [
            *(
                {"result": {"gap": 0.5, **record["result"]}}
                for record in records(deficit=11, angle=12, **{"deficit of bfloat16": 13})
            ),
            # too small a gap for its angles to count
            {"result": {"gap": 0.01, "deficit": 59, "angle": 999, "deficit of bfloat16": 67}},
        ],
        "sampling": [
            *records({"decay": 0.5}, angle=14, predicted=6, true=5),
            *records({"decay": 1.0}, angle=15, predicted=9, true=7),
        ],
        "token": records(ratio=16, share=17),
        "censored": records(turn=18, **{"share at 2.0": 19, "share at 1.75": 20}),
        "flip": [*records({"batch": 7}, ratio=21), *records({"batch": 8}, ratio=22)],
        "moments": records(error=23),
        "centring": records(outside=25),
        "risk": records(risk=25.5, rival=26, kernel=27),
        "amplification": [{"result": {"inverse": [28 * size, 84 * size]}} for size in (1, 3, 8)],
        "allocation": [{"result": {"explained variance": 29.5}}],
        "descent": records(least=30),
        "counter-example": [{"result": {"ratio": 31.5}}],
        "parity": records(distance=32, ranks=33, **{"distance at rho 2": 34}),
        "held out": [{"result": {"ratios": [35 * size, 105 * size]}} for size in (1, 3, 8)],
        "defects": [
            {"result": {"scale": 41.5, "whitened": 42.5, "wrong width": 43.5, "forwards": 44.5}}
        ],
    }


def measured(trials: Trials) -> dict[str, dict[str, Any]]:
    return evidence.evidence(trials)


def ratio(first: str, second: str, task: tuple[str, str], steps: int) -> float:
    logs = [
        np.log(loss(first, task, steps, seed) / loss(second, task, steps, seed)) for seed in SEEDS
    ]
    return float(np.exp(np.mean(logs)))


def change(task: tuple[str, str], steps: int) -> float:
    pairs = [[loss(n, task, steps, s) for n in ("EVA rotated", "EVA")] for s in SEEDS]
    return float(np.median([abs(a / b - 1) for a, b in pairs]))


def captured(place: int, name: str, of: str, layers: float) -> float:
    """The mean over seeds, of the first layer (1) or of both (2)."""
    return float(np.mean([layers * share(place, name, of, seed) for seed in SEEDS]))


def over_eva(name: str) -> float:
    logs = [
        np.log(share(2, name, "token", s) / share(2, "EVA uncentred", "token", s)) for s in SEEDS
    ]
    return float(np.exp(np.mean(logs)))


def named(task: tuple[str, str], steps: int) -> str:
    return f"{task[0]} {task[1]}, {steps} steps"


def early(first: str, second: str, *budgets: int) -> dict[str, float]:
    return {
        named(task, n): ratio(first, second, task, n) for task in EARLY for n in budgets or (10, 40)
    }


OVER_DEFAULT = {
    **early("EVA", "default"),
    named(("digits", "adam"), 160): ratio("EVA", "default", ("digits", "adam"), 160),
    named(("photographs", "adam"), 160): ratio("EVA", "default", ("photographs", "adam"), 160),
    named(("digits", "sgd"), 160): ratio("EVA", "default", ("digits", "sgd"), 160),
}
EXPECTED: dict[str, dict[str, float]] = {
    "E1": {"deficit": 46, "angle": 36, "deficit of bfloat16": 53, "deficit on MiniLM": 0.02},
    "E1b": {"angle, decay 0.5": 56, "angle, decay 1": 60},
    "E1c": {"ratio, decay 0.5": 6 / 5, "ratio, decay 1": 9 / 7},
    "E2": {"signal": 64, "share": 51},
    "E2b": {"share": 76},
    "E2c": {"threshold": 72, "share": 80},
    "E2d": {"batch of 7": 84, "batch of 8": 88, "moment": 69},
    "E2e": {
        "digits": captured(1, "EVA uncentred", "token", 1),
        "MiniLM": captured(2, "EVA uncentred", "token", 2),
    },
    "E2g": {n: over_eva(n) for n in ("default", "PiSSA", "OLoRA", "CorDA", "gradient SVD")},
    "E3": {"random cases": 75, "real layers": 1.5},
    "E3b": {
        "digits": captured(1, "EVA", "inputs", 1),
        "MiniLM": captured(2, "EVA", "inputs", 2),
    },
    "E3c": {"risk": 102, "rival": 78, "kernel": 81},
    "E4": {"ratio": 224},
    "E6": {"distance": 96, "ranks": 99},
    "E6b": {"mean": 280, "least layer": 140},
    "E6c": {"distance": 136},
    "E8b": {"scale": 41.5, "whitened": 42.5, "wrong width": 43.5, "forwards": 44.5},
    "E8c": {"explained variance": 29.5},
    "E9": {**OVER_DEFAULT, **{f"{key}, by 7 %": value for key, value in OVER_DEFAULT.items()}},
    "E9b": {
        **early("EVA", "same E|Ax|^2"),
        **{
            named(("digits", "sgd"), n): ratio("EVA", "same E|Ax|^2", ("digits", "sgd"), n)
            for n in (10, 40)
        },
    },
    "E9c": {named(task, 40): change(task, 40) for task in (("digits", "sgd"), ("digits", "adam"))},
    "E9d": early("gradient_signal", "EVA"),
    "E9e": early("gradient SVD", "EVA"),
    "E9f": {
        f"{other}, {key}": value
        for other in ("PiSSA", "OLoRA", "CorDA", "LoRA-GA")
        for key, value in early("EVA", other, 10).items()
    },
    "E9g": {name: (7 + TASKS.index((name, "adam"))) / 100 for name in ("digits", "photographs")},
    "E9h": {
        named((name, "adam"), 40): ratio("EVA, ranks moved", "EVA", (name, "adam"), 40)
        for name in ("digits", "photographs")
    },
    "E10": {"rival": 90},
    "E10b": {"risk": 31.5},
}
SAME = tuple(frozenset({f"E9/{key}", f"E9/{key}, by 7 %"}) for key in OVER_DEFAULT)


def trained(first: str, second: str) -> Callable[[Trials], Trials]:
    """Exchange two initializations in what was trained."""

    def exchange(trials: Trials) -> Trials:
        for record in trials["tuned"]:
            runs = record["result"]
            runs[first], runs[second] = runs[second], runs[first]
        return trials

    return exchange


def rows(first: str, second: str) -> Callable[[Trials], Trials]:
    """Exchange two initializations in what their rows capture."""

    def exchange(trials: Trials) -> Trials:
        for record in trials["digits"] + trials["minilm"]:
            for layer in record["result"]:
                found = layer["captured"]
                found[first], found[second] = found[second], found[first]
        return trials

    return exchange


def entries(trial: str, first: str, second: str) -> Callable[[Trials], Trials]:
    """Exchange two entries of a trial's results."""

    def exchange(trials: Trials) -> Trials:
        for record in trials[trial]:
            found = record["result"]
            found[first], found[second] = found[second], found[first]
        return trials

    return exchange


def values_of(trial: str, axis: str, first: Any, second: Any) -> Callable[[Trials], Trials]:
    """Exchange two values of an axis of a trial."""
    other = {first: second, second: first}

    def exchange(trials: Trials) -> Trials:
        for record in trials[trial]:
            record[axis] = other.get(record[axis], record[axis])
        return trials

    return exchange


def budgets(trials: Trials) -> Trials:
    for record in trials["tuned"]:
        for name in TRAINED:
            losses = record["result"][name]["test"]
            losses[0], losses[1] = losses[1], losses[0]
    return trials


def of_token_and_inputs(trials: Trials) -> Trials:
    for record in trials["digits"] + trials["minilm"]:
        for layer in record["result"]:
            for found in layer["captured"].values():
                found["token"], found["inputs"] = found["inputs"], found["token"]
    return trials


def places(trials: Trials) -> Trials:
    trials["digits"], trials["minilm"] = trials["minilm"], trials["digits"]
    return trials


def numbers(trials: Trials) -> Trials:
    for record in trials["tuned"]:
        for one in record["result"]["parameters"]:
            one["moved"], one["equal"] = one["equal"], one["moved"]
    return trials


EXCHANGES: dict[str, Callable[[Trials], Trials]] = {
    "EVA and the default initialization": trained("EVA", "default"),
    "EVA and rows of its size": trained("EVA", "same E|Ax|^2"),
    "rows of EVA's size and of its length": trained("same E|Ax|^2", "orthogonal"),
    "EVA and EVA uncentred, trained": trained("EVA", "EVA uncentred"),
    "EVA and EVA rotated": trained("EVA", "EVA rotated"),
    "the two initializations by gradients": trained("gradient SVD", "gradient_signal"),
    "PiSSA and OLoRA": trained("PiSSA", "OLoRA"),
    "CorDA and LoRA-GA": trained("CorDA", "LoRA-GA"),
    "moved and equal ranks": trained("EVA, ranks moved", "EVA"),
    "the numbers of parameters": numbers,
    "10 and 40 steps": budgets,
    "docstrings and code": values_of("tuned", "task", ("docstrings", "adam"), ("code", "adam")),
    "Adam and gradient descent": values_of("tuned", "task", ("digits", "adam"), ("digits", "sgd")),
    "EVA and EVA uncentred, in layers": rows("EVA", "EVA uncentred"),
    "EVA and random rows, in layers": rows("EVA", "orthogonal"),
    "PiSSA and OLoRA, in layers": rows("PiSSA", "OLoRA"),
    "the default and CorDA, in layers": rows("default", "CorDA"),
    "signal and variance": of_token_and_inputs,
    "digits and MiniLM": places,
    "decays": values_of("sampling", "decay", 0.5, 1.0),
    "batches of 7 and 8": values_of("flip", "batch", 7, 8),
    "predicted and true": entries("sampling", "predicted", "true"),
    "c = 2 and 1.75": entries("censored", "share at 2.0", "share at 1.75"),
    "risk and rival": entries("risk", "risk", "rival"),
    "rho 8 and 2": entries("parity", "distance", "distance at rho 2"),
    "whitened rows and scales": entries("defects", "whitened", "scale"),
}
