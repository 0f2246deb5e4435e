"""The predicted learning rate against sweeps of which all is known, and each pair as a run."""

from typing import Any

import pytest

from loralab.memo import Memo
from loralab.store import Store
from paper_figs import rates as figures
from scaling.advice.rates import HEADLESS
from scaling.comparison import trials as sweep
from scaling.comparison.grid import rounded
from scaling.studies import rates
from scaling.studies.claims.rates import PAIRS, STEPS
from scaling.studies.evidence.rates import shortfall
from scaling.studies.rates import Config
from scaling.studies.trials import rates as trials
from scaling.tasks import find
from tests.support.finetuning import tiny_llama
from tests.support.sweeps import here
from tests.support.text_rows import WORDS
from tests.support.text_rows import rows as texts
from tests.support.worlds import rates as made

SEEDS = 3


def pair_of(settings: dict[str, Any]) -> str:
    [found] = [
        name
        for name, pair in PAIRS.items()
        if trials.run(name, settings["seed"]).replace(lr=settings["lr"]).as_json() == settings
    ]
    return found


@pytest.fixture
def known(monkeypatch, tmp_path):
    """A memo of trials that are made up, and the settings of all that were run."""
    seen: list[dict[str, Any]] = []

    def fine_tuned(settings: dict[str, Any], peft: None = None) -> dict[str, Any]:
        seen.append(settings)
        return made.run_of(pair_of(settings), settings["lr"], 0) | {"test_data": settings["seed"]}

    def predicted(settings: dict[str, Any], peft: None) -> float:
        assert settings["seed"] == 0
        return made.PREDICTED[pair_of(settings)] * 1.001

    monkeypatch.setattr(sweep, "fine_tuned", fine_tuned)
    monkeypatch.setattr(trials, "predicted", predicted)
    return Memo(Store(tmp_path / "store.sqlite"), "rates", "code", compute=here), seen


def test_every_pair_is_swept_around_its_prediction(known):
    memo, seen = known
    found = rates.measure(Config(seeds=SEEDS, block=0), memo)
    for pair in PAIRS:
        tried = sorted({one["lr"] for one in seen if pair_of(one) == pair})
        middle = rounded(made.PREDICTED[pair])
        grid = [rounded(middle * 10 ** (k / 2)) for k in range(-2, 3)]
        assert set(grid) <= set(tried), pair
        # nothing is lost but what lies between the prediction and the best of those tried
        value = found.measured["S9"][pair]
        best = min(tried, key=lambda rate: abs(made.run_of(pair, rate, 0)["validation"][0][1]))
        if best == middle:
            assert value is not None
            assert value.value == pytest.approx(0 if PAIRS[pair].metric in made.POINTS else 1)
    assert {one["seed"] for one in seen} == {0, 1, 2}
    assert list(figures.figures(found.data)) == ["losses", "decades"]


def test_a_prediction_at_which_a_run_diverged_is_not_scored():
    pair = "ViT, digits"
    scored = made.world().pairs[pair]
    at = {seed: {"diverged": "at step 3"} for seed in made.SEEDS}
    lost = scored._replace(rates={**scored.rates, scored.predicted: at})
    assert shortfall(lost, pair, made.SEEDS) is None


def test_every_pair_is_a_run_of_its_task_with_the_metric_that_is_scored():
    for name in PAIRS:
        config = trials.run(name, 0)
        assert config.training.steps == config.training.validate_every == STEPS
        assert find(config.data.task)
    used = [(pair.settings["task"], str(pair.settings.get("model"))) for pair in PAIRS.values()]
    tuned_on = {("text_classification", "None"), ("causal_lm", "gpt")}
    assert not tuned_on & set(used)


def test_the_reduced_size_predicts_and_sweeps_nothing(known, monkeypatch):
    memo, seen = known
    found = rates.measure(rates.PROXY.quick, memo)
    assert not seen
    assert not any(m for checks in found.measured.values() for m in checks.values())
    assert figures.figures(found.data) == {}


def test_the_prediction_knows_the_width_and_whether_a_head_is_new(tmp_path):
    (tmp_path / "data.jsonl").write_text(texts(16))
    model = tiny_llama(tmp_path / "model", WORDS)
    settings = trials.run("SmolLM2, instructions", 0).replace(
        model=str(model),
        train=str(tmp_path / "data.jsonl"),
        test=str(tmp_path / "data.jsonl"),
        length=12,
        remember="none",
        precision="float32",
    )
    width = 384 * (HEADLESS / trials.predicted(settings.as_json(), None)) ** (4 / 3)
    assert width == pytest.approx(32, rel=1e-9), "of the model's layers"


@pytest.mark.parametrize(("field", "value"), [("seeds", 0), ("block", -1)])
def test_impossible_sizes_are_refused(field, value):
    with pytest.raises(ValueError, match=f"--{field} must be at least"):
        Config(**{field: value})
