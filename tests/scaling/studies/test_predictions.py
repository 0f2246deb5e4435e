"""What advice predicts against sweeps of which all is known."""

from typing import Any

import numpy as np
import pytest

from loralab.memo import Memo
from loralab.store import Store
from paper_figs import predictions as figures
from scaling.comparison import statistics, trials
from scaling.core.config import Config as FineTuneConfig
from scaling.studies.evidence.predictions import FROZEN
from scaling.studies.predictions import CLAIMS, PROXY, measure
from scaling.studies.size import Config
from scaling.studies.trials import advice
from tests.support.sweeps import EXACT, exact, here

TASKS = {"text_classification": "MiniLM", "causal_lm": "GPT"}
METHODS = ("LoRA", "EVA", *FROZEN)
# Every method on every model has its own number of right answers, EVA and B alone the larger.
RIGHT = {
    (model, name): 2**k
    for k, (model, name) in enumerate(
        (model, name) for model in TASKS.values() for name in ("A alone", "B alone", "LoRA", "EVA")
    )
}
BEST = {("MiniLM", "LoRA"): 1e-3, ("MiniLM", "EVA"): 3e-3, ("GPT", "LoRA"): 2e-3}
BEST |= {("GPT", "EVA"): 5e-4}
PREDICTED = {
    "MiniLM": {"init_a": 2e-3, "eva": 1e-3},
    "GPT": {"init_a": 1e-3, "eva": 2e-3},
}
BOUND = {"MiniLM": {"init_a": 1e-2, "eva": 3e-4}, "GPT": {"init_a": 6e-2, "eva": 1e-3}}
DECADES = {
    "MiniLM, LoRA": np.log10(2),
    "MiniLM, EVA": -np.log10(3),
    "GPT, LoRA": -np.log10(2),
    "GPT, EVA": np.log10(4),
}
BOUNDS = {"MiniLM, LoRA": 10.0, "MiniLM, EVA": 0.1, "GPT, LoRA": 30.0, "GPT, EVA": 2.0}
DEFAULT = Config(seeds=2, confirm=1)


def name_of(config: FineTuneConfig) -> str:
    adapter = config.adapter
    if not (adapter.train_a and adapter.train_b):
        return FROZEN[adapter.train_a]
    return "EVA" if adapter.scheme == "eva" else "LoRA"


def fine_tuned(settings: dict[str, Any], peft: None = None) -> dict[str, Any]:
    config = FineTuneConfig.of(**settings)
    model, name = TASKS[config.data.task], name_of(config)
    away = abs(np.log10(config.training.lr / BEST.get((model, name), 1e-3)))
    return exact(RIGHT[model, name], away, 20.0) | {"test_data": f"of {config.seed}"}


def lead(model: str, first: str, second: str) -> float:
    return (RIGHT[model, first] - RIGHT[model, second]) / EXACT


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """`measure` where every trial of advice predicts what is above, but for what is `changed`; and
    the tasks and seeds of these trials."""

    def act(config: Config = DEFAULT, **changed: Any) -> Any:
        monkeypatch.setattr(trials, "fine_tuned", fine_tuned)
        monkeypatch.setattr(statistics, "DRAWS", 50)  # of the ends of intervals
        seen = []

        def predicted(settings, peft):
            seen.append((settings["task"], settings["seed"]))
            model = TASKS[settings["task"]]
            made = {"learning_rate": PREDICTED[model], "bound": BOUND[model]}
            return made | {"scheme": "eva", "gain": 0.1} | changed

        monkeypatch.setattr(advice, "predicted", predicted)
        memo = Memo(Store(tmp_path / "store.sqlite"), "predictions", "", compute=here)
        return measure(config, memo), seen

    return act


def values(checks) -> dict[str, float]:
    return {key: found.value for key, found in checks.items()}


def test_every_forecast_is_scored_on_both_models(measured):
    found, seen = measured()
    assert seen == [(task, seed) for task in TASKS for seed in (0, 1)]
    assert {claim.id: claim.keys for claim in CLAIMS} == {
        id: tuple(checks) for id, checks in found.measured.items()
    }
    # A parabola through three points of one is exact to 2e5 eps, as in test_evidence.
    assert values(found.measured["S8"]) == pytest.approx(DECADES, abs=1e-9)
    assert values(found.measured["S8c"]) == pytest.approx(BOUNDS, rel=1e-8)
    assert values(found.measured["S8b"]) == {
        model: lead(model, "EVA", "LoRA") for model in TASKS.values()
    }
    assert values(found.measured["S8d"]) == {"GPT": lead("GPT", "B alone", "A alone")}
    assert list(figures.figures(found.data)) == ["rates"]


def test_advice_that_is_wrong_scores_below_zero(measured):
    found, _ = measured(scheme="init_a", gain=-0.1)
    assert values(found.measured["S8b"]) == {
        model: lead(model, "LoRA", "EVA") for model in TASKS.values()
    }
    assert values(found.measured["S8d"]) == {"GPT": lead("GPT", "A alone", "B alone")}


def test_where_nothing_is_foretold_nothing_is_scored(measured):
    nothing = {"init_a": None, "eva": 1e-3}
    found, _ = measured(bound={"init_a": 1e-2, "eva": None}, learning_rate=nothing)
    missing = {
        id: [key for key, m in found.measured[id].items() if m is None] for id in ("S8c", "S8")
    }
    assert missing == {"S8c": ["MiniLM, EVA", "GPT, EVA"], "S8": ["MiniLM, LoRA", "GPT, LoRA"]}
    assert list(figures.figures(found.data)) == ["rates"]


def test_the_reduced_size_looks_and_sweeps_nothing(measured):
    found, seen = measured(PROXY.quick)
    assert seen == [("text_classification", 0)]
    assert not any(value for checks in found.measured.values() for value in checks.values())
    assert figures.figures(found.data) == {}


@pytest.mark.parametrize(("field", "value"), [("steps", 0), ("seeds", 0), ("confirm", -1)])
def test_impossible_sizes_are_refused(field, value):
    with pytest.raises(ValueError, match=f"--{field} must be at least"):
        Config(**{field: value})
