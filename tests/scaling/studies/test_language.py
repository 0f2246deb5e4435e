"""The comparison on a language model, from outcomes of which all is known."""

from typing import Any

import pytest

from loralab.claims import Scope
from loralab.memo import Memo
from loralab.store import Store
from scaling.comparison import trials
from scaling.core.config import Config as FineTuneConfig
from scaling.studies import language
from scaling.studies.claims.language.checks import LAUNCH
from scaling.studies.language import Config
from scaling.studies.trials import language as plan
from scaling.studies.trials.methods import CORE, ON_TASKS
from tests.support.sweeps import here
from tests.support.worlds import language as made

BLOCK = 3000
ALL = ("text", "instructions", "classification")


def task_of(settings: dict[str, Any]) -> str:
    if settings["task"] == "text_classification":
        return "classification"
    return "text" if settings["task_options"].get("built_in") == "docstrings" else "instructions"


def name_of(settings: dict[str, Any]) -> str:
    """The method of these settings, by all in which methods differ."""
    default = FineTuneConfig().as_json()
    differ = {name for own in plan.METHODS.values() for name in own}
    own = {name: settings[name] for name in differ if settings[name] != default[name]}
    [found] = [name for name, wanted in plan.METHODS.items() if wanted == own]
    return found


@pytest.fixture
def known(monkeypatch, tmp_path):
    """The memo of trials that are made up, and the settings of those that were asked for."""
    asked: list[dict[str, Any]] = []

    def fine_tuned(settings: dict[str, Any], peft: None = None) -> dict[str, Any]:
        asked.append(settings)
        made_up = made.run_of(
            name_of(settings), settings["lr"], settings["seed"] % 1000, task_of(settings)
        )
        return made_up | {"test_data": f"of {settings['seed']}", "inference_parameters": 1}

    def base_loss(settings: dict[str, Any], peft: None) -> float:
        return made.base_of(task_of(settings), settings["seed"] % 1000)

    monkeypatch.setattr(trials, "fine_tuned", fine_tuned)
    monkeypatch.setattr(plan, "base_loss", base_loss)
    monkeypatch.setattr(plan, "BEST", dict(made.NEAREST))
    return Memo(Store(tmp_path / "store.sqlite"), "language", "code", compute=here), asked


def values(measured) -> dict[str, dict[str, float | None]]:
    return {
        id: {key: m and m.value for key, m in checks.items()} for id, checks in measured.items()
    }


def test_every_claim_is_measured_from_the_sweep(known):
    memo, asked = known
    found = language.measure(Config(seeds=3, block=BLOCK, tasks=ALL, every=True), memo)
    for id, checks in values(found.measured).items():
        assert checks == pytest.approx(made.EXPECTED[id], rel=1e-12), id
    assert {settings["seed"] for settings in asked} == {BLOCK, BLOCK + 1, BLOCK + 2}
    assert found.data["EVA"]["over LoRA"][0] == pytest.approx(made.over("EVA"))
    assert found.data.keys() == plan.METHODS.keys()


def test_the_default_size_measures_what_it_runs(known):
    memo, asked = known
    found = values(language.measure(Config(seeds=3, block=BLOCK), memo).measured)
    assert {task_of(settings) for settings in asked} == {"text"}
    assert found["LM1b"]["text"] == pytest.approx(made.over("EVA"))
    assert found["LM1b"]["instructions"] is found["LM5"]["rank r + s"] is None
    assert found["LM8"]["PiSSA"] == pytest.approx(made.losses("PiSSA"))


def test_a_claim_is_measured_by_its_own_methods_alone(known):
    memo, asked = known
    only = ("LoRA", "EVA", "orthogonal")
    found = values(language.measure(Config(seeds=3, block=BLOCK, only=only), memo).measured)
    assert {name_of(settings) for settings in asked} == {*only}
    measured = {id for id, checks in found.items() if None not in checks.values()}
    assert measured == {"LM1"}, "which needs no others"
    assert found["LM1"] == pytest.approx(made.EXPECTED["LM1"], rel=1e-12)


def test_the_reduced_size_measures_nothing(known):
    memo, asked = known
    found = language.measure(language.PROXY.quick, memo)
    assert not any(m for checks in found.measured.values() for m in checks.values())
    assert found.data == {}
    assert [(settings["limit"], settings["steps"]) for settings in asked] == [(2, 1)]


def test_every_method_has_its_learning_rate_from_exploration():
    assert plan.BEST.keys() == plan.METHODS.keys()
    assert {*CORE, *ON_TASKS, *plan.WIDE} <= plan.METHODS.keys()
    assert {len(plan.rates(name)) for name in plan.METHODS} == {3, 5}
    for name, best in plan.BEST.items():
        tried = plan.rates(name)
        assert tried[len(tried) // 2] == best


def test_every_run_is_of_a_language_model_and_launches_in_time():
    for task in ALL:
        shared = plan.run(task, 40, BLOCK)
        assert shared.training.launch_step == LAUNCH == 6
        assert shared.data.model in (None, "smollm2")
        assert isinstance(shared, FineTuneConfig)


def test_no_claim_speaks_of_more_than_was_measured():
    for claim in language.CLAIMS:
        assert claim.scope is Scope.LM
        assert "on SmolLM2-135M, 40 steps" in claim.statement
        assert claim.covers == (claim.source == "derived")
        assert "AdamW" in claim.assumptions


@pytest.mark.parametrize(
    ("field", "value"), [("steps", 0), ("seeds", 0), ("block", -1), ("tasks", ("instructions",))]
)
def test_impossible_sizes_are_refused(field, value):
    with pytest.raises(ValueError, match=f"--{field} must be"):
        Config(**{field: value})


@pytest.mark.parametrize(
    ("only", "said"),
    [
        (("eva",), "unknown method 'eva'; did you mean 'EVA'"),
        (("EVA", "PiSSA"), "--only must have LoRA among them, got EVA, PiSSA"),
    ],
)
def test_methods_that_cannot_be_compared_alone_are_refused(only, said):
    with pytest.raises(ValueError, match=said):
        Config(only=only)
