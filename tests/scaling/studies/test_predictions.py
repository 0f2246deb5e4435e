"""What advice foretells against sweeps of which all is known."""

from typing import Any

import numpy as np
import pytest

from loralab.memo import Memo
from loralab.store import Store
from paper_figs import predictions as figures
from scaling.comparison import trials
from scaling.core.config import Config as Run
from scaling.studies import predictions
from scaling.studies.predictions import CLAIMS, FROZEN, PROXY, Config, measure
from tests.support.sweeps import here, outcome

ACCURACY = {"LoRA": 0.6, "EVA": 0.8, "B alone": 0.5, "A alone": 0.3}
BEST = {"LoRA": 1e-3, "EVA": 3e-3}
DEFAULT = Config()
TOLD = {
    "rate": {"init_a": 2e-3, "eva": 1e-3},
    "bound": {"init_a": 1e-2, "eva": 3e-4},
    "scheme": "eva",
    "gain": 0.1,
}


def name_of(run: Run) -> str:
    adapter = run.adapter
    if not (adapter.train_a and adapter.train_b):
        return FROZEN[adapter.train_a]
    return "EVA" if adapter.scheme == "eva" else "LoRA"


def known(settings, peft=None):
    run = Run.of(**settings)
    name, rng = name_of(run), np.random.default_rng([run.seed, int(1e7 * run.training.lr)])
    away = np.log10(run.training.lr / BEST.get(name, 1e-3)) ** 2
    return outcome(rng, ACCURACY[name] - 0.05 * away, 0.5 + away) | {"test_data": f"of {run.seed}"}


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """`measure` where each look tells what `told` has other than TOLD, and the tasks and seeds
    looked at."""

    def act(config: Config = DEFAULT, **told: Any) -> Any:
        monkeypatch.setattr(trials, "fine_tuned", known)
        looks = []

        def foretold(settings, peft):
            looks.append((settings["task"], settings["seed"]))
            return TOLD | told

        monkeypatch.setattr(predictions, "foretold", foretold)
        return measure(
            config, Memo(Store(tmp_path / "store.sqlite"), "predictions", "", compute=here)
        ), looks

    return act


def test_every_forecast_is_scored_on_both_models(measured):
    found, looks = measured()
    assert looks == [
        (task, seed) for task in ("text_classification", "causal_lm") for seed in range(3)
    ]
    assert {id: len(values) for id, values in found.measured.items()} == {
        c.id: len(c.checks) for c in CLAIMS
    }
    # A parabola through three points of one is exact to 2e5 eps, as in test_findings.
    decades, bounds = [np.log10(2), -np.log10(3)] * 2, [10, 0.1] * 2
    assert [m.value for m in found.measured["S8"]] == pytest.approx(decades, abs=1e-9)
    assert [m.value for m in found.measured["S8c"]] == pytest.approx(bounds, rel=1e-8)
    assert all(m.low > 0.1 for m in found.measured["S8b"]), "EVA is better by .2"
    assert found.measured["S8d"][0].low > 0.1, "B alone is better by .2"
    assert list(figures.figures(found.data)) == ["rates"]


def test_advice_that_is_wrong_scores_below_zero(measured):
    found, _ = measured(scheme="init_a", gain=-0.1)
    assert all(m.high < -0.1 for id in ("S8b", "S8d") for m in found.measured[id])


def test_where_nothing_is_foretold_nothing_is_scored(measured):
    found, _ = measured(bound={"init_a": 1e-2, "eva": None}, rate={"init_a": None, "eva": 1e-3})
    assert [m is None for m in found.measured["S8c"]] == [False, True] * 2
    assert [m is None for m in found.measured["S8"]] == [True, False] * 2
    assert list(figures.figures(found.data)) == ["rates"]


def test_the_reduced_size_looks_and_sweeps_nothing(measured):
    found, looks = measured(PROXY.quick)
    assert looks == [("text_classification", 0)]
    assert not any(value for values in found.measured.values() for value in values)
    assert figures.figures(found.data) == {}


@pytest.mark.parametrize(("field", "value"), [("steps", 0), ("seeds", 0), ("confirm", -1)])
def test_impossible_sizes_are_refused(field, value):
    with pytest.raises(ValueError, match=f"--{field} must be at least"):
        Config(**{field: value})
