"""A made-up world for the comparison on a language model: every method improves by a share of its
own, at its own best learning rate, with its own speed, on each task; the base model's loss is that
of the seed, and what chooses a learning rate is not what is compared."""

from collections.abc import Callable
from typing import Any

import numpy as np

from loralab.claims import Measured
from scaling.studies.evidence.language import Study, evidence
from scaling.studies.trials.methods import METHODS, ON_TASKS
from tests.support.sweeps import EXACT, STEPS, exact
from tests.support.worlds.findings import steps

World = Study
NAMES = list(METHODS)
SEEDS = (0, 1, 2)
RATES = (1e-4, 3.2e-4, 1e-3, 3.2e-3, 1e-2)
TASKS = ("text", "instructions", "classification")
# log10 of the optimum; between two learning rates for those whose optima are compared
OPTIMUM = dict.fromkeys(NAMES, -3.0) | {
    name: -3.5 + 0.03 * k
    for k, name in enumerate(("Init[B]", "PiSSA", "MiLoRA", "OLoRA", "LoRA-GA", "full", "OP-LoRA"))
}
NEAREST = {name: 3.2e-4 if OPTIMUM[name] < -3.25 else 1e-3 for name in NAMES}
SHARE = {
    task: {name: 0.1 + 0.011 * (k + 1) ** 1.1 + 0.003 * t * k for k, name in enumerate(NAMES)}
    for t, task in enumerate(TASKS)
}
NARROW = {name: 0.3 + 0.05 * k for k, name in enumerate(NAMES)}
TAU = {name: 9.0 + 0.9 * k for k, name in enumerate(NAMES)}
TAU |= {"LoRA": 24.0, "EVA": 12.0, "orthogonal": 18.0, "OP-LoRA": 14.0}
RIGHT = {name: 2**k + 16 for k, name in enumerate(reversed(ON_TASKS))}
TRAINED = {name: 100 + 7 * k for k, name in enumerate(NAMES)}
FORGOTTEN = {name: 0.01 * (k + 1) for k, name in enumerate(NAMES)}
BASE = {"text": 1.4, "instructions": 1.2}


def base_of(task: str, seed: int) -> float:
    return BASE[task] * (1 + 0.1 * seed)


def away(name: str, rate: float) -> float:
    return abs(np.log10(rate) - OPTIMUM[name])


def gain_of(name: str, rate: float, task: str) -> float:
    """The share of the base model's loss by which a run improves."""
    return SHARE[task][name] * (1 - NARROW[name] * abs(np.log10(rate / NEAREST[name])))


def run_of(name: str, rate: float, seed: int, task: str = "text") -> dict[str, Any]:
    away_ = away(name, rate)
    right = RIGHT.get(name, 0) if rate == NEAREST[name] else 0
    made = exact(right, away_, TAU[name] + 20 * abs(np.log10(rate / NEAREST[name])))
    if task == "classification":
        return made
    grown = [FORGOTTEN[name] + 0.1 * away_] * 2
    blocks = {"before": [1.0, 2.0], "after": [1.0 + grown[0], 2.0 + grown[1]]}
    bits = base_of(task, seed) * (1 - gain_of(name, rate, task))
    return made | {
        "metrics": {"bits_per_byte": bits},
        "trained_parameters": TRAINED[name],
        "base_text": {"blocks": blocks},
    }


def world() -> World:
    outcomes = {
        task: {
            name: {
                rate: {
                    seed: run_of(name, rate, seed, task) | {"same_test": False} for seed in SEEDS
                }
                for rate in RATES
            }
            for name in (NAMES if task == "text" else ON_TASKS)
        }
        for task in TASKS
    }
    base = {task: {seed: base_of(task, seed) for seed in SEEDS} for task in BASE}
    return Study(outcomes, base, SEEDS)


def measured(world: World) -> dict[str, dict[str, Measured | None]]:
    return evidence(world)


def over(first: str, second: str = "LoRA", task: str = "text") -> float:
    return SHARE[task][first] / SHARE[task][second]


def on_tasks(first: str, second: str = "LoRA") -> dict[str, float]:
    gains = {task: over(first, second, task) for task in BASE}
    return gains | {"classification": (RIGHT[first] - RIGHT[second]) / EXACT}


def losses(first: str, second: str = "LoRA") -> float:
    return (1 - SHARE["text"][first]) / (1 - SHARE["text"][second])


def rate(first: str, second: str) -> float:
    return 10 ** (OPTIMUM[first] - OPTIMUM[second])


def area(tau: float) -> float:
    return float(np.exp(-np.arange(STEPS) / tau).mean())


def speed(name: str) -> dict[str, float]:
    return {"LoRA": steps(TAU[name], TAU["LoRA"]), "area": area(TAU[name]) - area(TAU["LoRA"])}


def decades(name: str) -> float:
    """Where 1 - narrow |x| >= .98, x in decades from the best learning rate: .02 / narrow to each
    side."""
    return 2 * 0.02 / NARROW[name]


BETTER = ("PiSSA", "MiLoRA", "OLoRA", "CorDA", "LoRA-GA", "LoRA-One", "DoRA", "LoRA+")
EQUALS = ("Init[B]", *BETTER, "EVA", "rsLoRA")
# LoRA's best learning rate is 1e-3, and OP-LoRA's 3.2e-4
ONE_RATE = over("OP-LoRA") * (1 - NARROW["OP-LoRA"] * np.log10(1e-3 / 3.2e-4))
EXPECTED = {
    "LM1": {
        "steps": speed("EVA")["LoRA"],
        "area": speed("EVA")["area"],
        "control steps": steps(TAU["EVA"], TAU["orthogonal"]),
    },
    "LM1b": on_tasks("EVA") | {"control": over("EVA", "orthogonal")},
    "LM1c": {
        name: over("EVA", name) for name in ("PiSSA", "MiLoRA", "OLoRA", "CorDA", "LoRA-GA", "DoRA")
    },
    "LM1e": {"EVA": over("gradient signal", "EVA")},
    "LM1d": {
        "no worse": over("EVA, rho 2"),
        "parameters": TRAINED["EVA, rho 2"] / TRAINED["LoRA"],
        "rho": over("EVA, rho 2", "EVA"),
    },
    "LM2": on_tasks("B alone, rank 16", "A alone, rank 17"),
    "LM2b": {"rank": over("B alone"), "budget": over("B alone, rank 16")},
    "LM3": speed("OP-LoRA"),
    "LM3b": {"own rates": over("OP-LoRA"), "one rate": ONE_RATE},
    "LM3c": {"decades": decades("OP-LoRA") - decades("LoRA")},
    "LM3d": {"no worse": over("OP-LoRA, rank 4")},
    "LM4": {"learning rate": rate("LoRA", "Init[B]")},
    "LM4b": on_tasks("LoRA", "Init[B]"),
    "LM5": {"equal rank": over("Dash"), "rank r + s": over("Dash", "LoRA, rank 16")},
    "LM5b": {"LoRA": over("LoRA-Init")},
    "LM5c": {"LoRA": over("LoRA-TSD")},
    "LM6": {"LoRA": over("Nyström")},
    "LM6b": {"LoRA": over("NoRA+"), "NoRA": over("NoRA+", "Nyström")},
    "LM6c": {"weight": over("gradient Nyström", "Nyström"), "LoRA": over("gradient Nyström")},
    **{
        f"LM7{letter}": {"LoRA": over(name)}
        for letter, name in zip(("", *"bcdefgh"), BETTER, strict=True)
    },
    "LM8": {name: losses(name) for name in EQUALS}
    | {f"improvement, {name}": over(name) for name in EQUALS},
    "LM8b": {name: rate(name, "LoRA") for name in ("PiSSA", "MiLoRA", "OLoRA", "LoRA-GA")},
    "LM9": {"learning rate": rate("LoRA", "full")},
    "LM9b": {"learns": over("LoRA", "full"), "forgets": 0.0},
}
EXPECTED["LM7"]["control"] = over("PiSSA", "PiSSA, random basis")
EXPECTED["LM9b"]["forgets"] = (
    FORGOTTEN["LoRA"]
    + 0.1 * away("LoRA", 1e-3)
    - FORGOTTEN["full"]
    - 0.1 * away("full", NEAREST["full"])
)
SAME = (
    *(
        frozenset({f"LM7{letter}/LoRA", f"LM8/improvement, {name}"})
        for letter, name in zip(("", *"bcdefgh"), BETTER, strict=True)
        if name in EQUALS
    ),
    frozenset({"LM1b/text", "LM8/improvement, EVA"}),
)


def swapped(first: str, second: str) -> Callable[[World], World]:
    def exchange(world: World) -> World:
        outcomes = {task: dict(each) for task, each in world.outcomes.items()}
        for each in outcomes.values():
            if first in each and second in each:
                each[first], each[second] = each[second], each[first]
        return world._replace(outcomes=outcomes)

    return exchange


def tasks(first: str, second: str) -> Callable[[World], World]:
    def exchange(world: World) -> World:
        outcomes = dict(world.outcomes)
        some = {name: outcomes[first][name] for name in ON_TASKS}
        outcomes[first] = {**outcomes[first], **outcomes[second]}
        outcomes[second] = some
        base = {**world.base, first: world.base[second], second: world.base[first]}
        return world._replace(outcomes=outcomes, base=base)

    return exchange


def later(world: World) -> World:
    """The base model of another seed."""
    text = world.base["text"]
    moved = dict(zip(text, [*text.values()][1:] + [*text.values()][:1], strict=True))
    return world._replace(base={**world.base, "text": moved})


EXCHANGES: dict[str, Callable[[World], World]] = {
    **{
        f"{first} and {second}": swapped(first, second)
        for first, second in (
            ("LoRA", "EVA"),
            ("LoRA", "Init[B]"),
            ("EVA", "orthogonal"),
            ("EVA", "EVA, rho 2"),
            ("A alone, rank 17", "B alone, rank 16"),
            ("B alone", "B alone, rank 16"),
            ("LoRA", "LoRA, rank 16"),
            ("OP-LoRA", "OP-LoRA, rank 4"),
            ("OP-LoRA", "Dash"),
            ("Dash", "LoRA-TSD"),
            ("LoRA-Init", "LoRA-TSD"),
            ("Nyström", "gradient Nyström"),
            ("Nyström", "NoRA+"),
            ("PiSSA", "PiSSA, random basis"),
            ("MiLoRA", "OLoRA"),
            ("CorDA", "LoRA-GA"),
            ("LoRA-One", "DoRA"),
            ("LoRA", "full"),
            ("LoRA+", "DoRA"),
        )
    },
    "text and instructions": tasks("text", "instructions"),
    "the base models of two seeds": later,
}
