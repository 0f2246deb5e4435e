"""What advice predicts against sweeps of which all is known."""

from typing import Any

import numpy as np
import pytest

from loralab.memo import Memo
from loralab.store import Store
from paper_figs import predictions as figures
from scaling.comparison import trials
from scaling.core.config import Config as FineTuneConfig
from scaling.studies.claims.predictions import FROZEN
from scaling.studies.evidence.predictions import evidence
from scaling.studies.predictions import CLAIMS, PROXY, measure
from scaling.studies.size import Config
from scaling.studies.trials import advice
from tests.support.sweeps import here
from tests.support.worlds import predictions as made
from theory.asymmetry.freezing import TIE

TASKS = {"text_classification": "MiniLM", "causal_lm": "GPT"}
SIZE = Config(seeds=3, confirm=2, block=0)


def name_of(config: FineTuneConfig) -> str:
    adapter = config.adapter
    if not (adapter.train_a and adapter.train_b):
        return FROZEN[adapter.train_a]
    return "EVA" if adapter.scheme == "eva" else "LoRA"


def fine_tuned(settings: dict[str, Any], peft: None = None) -> dict[str, Any]:
    config = FineTuneConfig.of(**settings)
    model = TASKS[config.data.task]
    found = made.run_of(model, name_of(config), config.lr, config.seed)
    return found | {"test_data": f"of {config.seed}"}


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """`measure` where every trial of advice predicts what is in the world; and the tasks and seeds
    of these trials."""

    def act(config: Config = SIZE) -> Any:
        monkeypatch.setattr(trials, "fine_tuned", fine_tuned)
        seen = []

        def predicted(settings, peft):
            seen.append((settings["task"], settings["seed"]))
            return made.predicted_of(TASKS[settings["task"]])

        monkeypatch.setattr(advice, "predicted", predicted)
        memo = Memo(Store(tmp_path / "store.sqlite"), "predictions", "", compute=here)
        return measure(config, memo), seen

    return act


def values(checks) -> dict[str, float]:
    return {key: found.value for key, found in checks.items()}


def test_every_prediction_is_scored_on_its_model(measured):
    found, seen = measured()
    assert seen == [(task, seed) for task in TASKS for seed in made.SEEDS]
    for id, checks in found.measured.items():
        assert values(checks) == pytest.approx(made.EXPECTED[id], rel=1e-12), id
    assert list(figures.figures(found.data)) == ["rates"]


def test_advice_that_is_wrong_scores_below_zero():
    found = evidence(made.world(scheme="init_a", gain=-0.1))
    assert values(found["S8b"]) == {"GPT": made.lead("LoRA", "EVA")}
    assert values(found["S8d"]) == {"GPT": made.lead("A alone", "B alone")}


@pytest.mark.parametrize(
    ("gain", "first"), [(-1.01 * TIE, "A alone"), (-0.99 * TIE, "B alone"), (0.0, "B alone")]
)
def test_which_factor_is_preferred_is_the_rule_of_the_recommendation(gain, first):
    second = next(name for name in FROZEN if name != first)
    assert values(evidence(made.world(gain=gain))["S8d"]) == {"GPT": made.lead(first, second)}


def test_advice_is_what_most_seeds_were_told():
    world = made.world()
    some = dict(world["GPT"].predictions)
    some[0] = {**some[0], "scheme": "init_a"}
    one = world | {"GPT": world["GPT"]._replace(predictions=some)}
    assert values(evidence(one)["S8b"]) == {"GPT": made.lead("EVA", "LoRA")}
    some[1] = {**some[1], "scheme": "init_a"}
    assert values(evidence(one)["S8b"]) == {"GPT": made.lead("LoRA", "EVA")}


def test_where_nothing_is_predicted_nothing_is_scored():
    found = evidence(made.world(learning_rate={"init_a": None, "eva": 1e-3}))
    assert found["S8"]["GPT, LoRA"] is None
    assert found["S8"]["GPT, EVA"].value == pytest.approx(np.log10(2))  # type: ignore[union-attr]


def test_the_model_on_which_the_default_was_tuned_is_no_test_of_it():
    [claim] = [claim for claim in CLAIMS if claim.id == "S8"]
    assert set(claim.keys) == {"MiniLM, EVA", "GPT, LoRA", "GPT, EVA"}


def test_the_reduced_size_looks_and_sweeps_nothing(measured):
    found, seen = measured(PROXY.quick)
    assert seen == [("text_classification", 0)]
    assert not any(value for checks in found.measured.values() for value in checks.values())
    assert figures.figures(found.data) == {}
