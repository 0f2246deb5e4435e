"""A made-up world for the predictions: every method on either model has its own number of right
answers and its own best learning rate, and the seeds that choose have others than the unseen."""

from collections.abc import Callable
from typing import Any

import numpy as np

from loralab.claims import Measured
from scaling.studies.claims.predictions import METHODS
from scaling.studies.evidence.predictions import Scored, evidence
from scaling.studies.trials.plan import FINE
from tests.support.sweeps import EXACT, exact

World = dict[str, Scored]
SEEDS, UNSEEN = (0, 1, 2), (3, 4)
CASES = [(model, name) for model, names in METHODS.items() for name in names]
RIGHT = {case: 2 ** (k + 4) for k, case in enumerate(CASES)}
BEST = dict.fromkeys(CASES, 1e-3) | {("MiniLM", "EVA"): 3e-3, ("GPT", "LoRA"): 2e-3}
BEST |= {("GPT", "EVA"): 5e-4}
NEAREST = {
    case: min(FINE, key=lambda rate: abs(np.log(rate / best))) for case, best in BEST.items()
}
PREDICTED = {
    "MiniLM": {"init_a": 7e-3, "eva": 1e-3},
    "GPT": {"init_a": 1e-3, "eva": 2e-3},
}
BOUND = {"init_a": 1e-2, "eva": 6e-2}
GAIN = 0.0  # advice prefers to train B where neither factor explains more


def run_of(model: str, name: str, rate: float, seed: int) -> dict[str, Any]:
    """The seeds that choose answer an eighth of what the unseen ones do."""
    case = (model, name)
    away = abs(np.log10(rate / BEST[case]))
    right = RIGHT[case] if rate == NEAREST[case] else 0
    return exact(right // 8 if seed - min(SEEDS) < len(SEEDS) else right, away, 20.0)


def predicted_of(model: str, **changed: Any) -> dict[str, Any]:
    made = {"learning_rate": PREDICTED[model], "bound": BOUND, "scheme": "eva", "gain": GAIN}
    return made | changed


def world(**changed: Any) -> World:
    models = {}
    for model, names in METHODS.items():
        outcomes: dict[str, dict[float, dict[int, Any]]] = {}
        for name in names:
            for rate in FINE:
                seeds = (*SEEDS, *UNSEEN) if rate == NEAREST[model, name] else SEEDS
                outcomes.setdefault(name, {})[rate] = {
                    seed: run_of(model, name, rate, seed) | {"same_test": False} for seed in seeds
                }
        best = {name: NEAREST[model, name] for name in names}
        found = {seed: predicted_of(model, **changed) for seed in SEEDS}
        models[model] = Scored(outcomes, best, UNSEEN, found)
    return models


def measured(world: World) -> dict[str, dict[str, Measured | None]]:
    return evidence(world)


def lead(first: str, second: str) -> float:
    return (RIGHT["GPT", first] - RIGHT["GPT", second]) / EXACT


def decades(model: str, name: str, scheme: str) -> float:
    return float(np.log10(PREDICTED[model][scheme] / BEST[model, name]))


EXPECTED = {
    "S8": {
        "MiniLM, EVA": decades("MiniLM", "EVA", "eva"),
        "GPT, LoRA": decades("GPT", "LoRA", "init_a"),
        "GPT, EVA": decades("GPT", "EVA", "eva"),
    },
    "S8b": {"GPT": lead("EVA", "LoRA")},
    "S8d": {"GPT": lead("B alone", "A alone")},
}


def swapped(first: str, second: str) -> Callable[[World], World]:
    def exchange(world: World) -> World:
        gpt = world["GPT"]
        outcomes, best = dict(gpt.outcomes), dict(gpt.best)
        outcomes[first], outcomes[second] = outcomes[second], outcomes[first]
        best[first], best[second] = best[second], best[first]
        return world | {"GPT": gpt._replace(outcomes=outcomes, best=best)}

    return exchange


def forecasts(**changed: Any) -> Callable[[World], World]:
    def exchange(world: World) -> World:
        gpt = world["GPT"]
        found = {seed: {**one, **changed} for seed, one in gpt.predictions.items()}
        return world | {"GPT": gpt._replace(predictions=found)}

    return exchange


EXCHANGES: dict[str, Callable[[World], World]] = {
    "LoRA and EVA": swapped("LoRA", "EVA"),
    "A alone and B alone": swapped("A alone", "B alone"),
    "EVA and B alone": swapped("EVA", "B alone"),
    "the recommended initialization": forecasts(scheme="init_a"),
    "the preferred factor": forecasts(gain=-0.1),
    "predictions of the two models": forecasts(learning_rate=PREDICTED["MiniLM"]),
    "predictions of the two schemes": forecasts(learning_rate={"init_a": 2e-3, "eva": 1e-3}),
    "seeds that choose and unseen ones": lambda world: (
        world | {"GPT": world["GPT"]._replace(unseen=SEEDS[:2])}
    ),
}
