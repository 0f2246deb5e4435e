"""What adapters hold on a language model: the trials on a small model, and the study from trials
whose results are known."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator

pytest.importorskip("transformers")

from lora.bases import shape_of
from loralab.claims import Scope
from loralab.memo import Memo
from loralab.store import Store
from scaling.comparison import trials as sweep
from scaling.core.config import Config as FineTuneConfig
from scaling.studies import adapters
from scaling.studies.adapters import Config
from scaling.studies.trials import adapters as trials
from scaling.studies.trials import features, language
from scaling.training.preparation import prepare
from tests.support.finetuning import tiny_llama
from tests.support.sweeps import here
from tests.support.text_rows import WORDS, rows
from tests.support.worlds import adapters as made

RATE = 0.02
BLOCK = 3000


@pytest.fixture
def settings(tmp_path, monkeypatch) -> dict[str, Any]:
    """Those of a small run of LoRA."""
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path))
    (tmp_path / "data.jsonl").write_text(rows(48))
    return FineTuneConfig.of(
        task="causal_lm",
        model=str(tiny_llama(tmp_path / "model", WORDS)),
        train=str(tmp_path / "data.jsonl"),
        test=str(tmp_path / "data.jsonl"),
        limit=2,
        steps=8,
        batch=4,
        lr=RATE,
        length=12,
        remember="none",
        precision="float32",
        task_options={"samples": 0},
    ).as_json()


def test_what_factors_share_is_measured_by_angles():
    rng = Generator().manual_seed(0)
    X, Y = (torch.randn(40, 4, generator=rng) for _ in range(2))
    mixed = X @ torch.randn(4, 4, generator=rng)  # the same span
    assert trials.shared(X, mixed) == pytest.approx(1, rel=1e-5)
    Q = torch.linalg.qr(torch.cat([X, Y], 1)).Q
    assert trials.shared(Q[:, :4], Q[:, 4:]) == pytest.approx(0, abs=1e-9)
    assert trials.shared(Q[:, :4], Q[:, 3:7]) == pytest.approx(0.25, rel=1e-5)
    random = [
        trials.shared(*(torch.randn(40, 4, generator=rng) for _ in range(2))) for _ in range(400)
    ]
    error = np.std(random, ddof=1) / 20
    assert abs(np.mean(random) - 4 / 40) <= 4 * error


def test_the_factors_are_those_of_the_trained_adapter(settings):
    found = trials.factors(settings)
    assert len(found) == 14  # seven linear layers in each of two blocks
    assert all(one.B.any() for one in found.values())
    again = trials.similarity(settings, settings)
    assert (again["A"], again["B"]) == (pytest.approx(1, rel=1e-5), pytest.approx(1, rel=1e-5))
    other = trials.similarity(settings, settings | {"seed": 1})
    assert other["A"] < 0.9


def test_the_signal_of_eva_lies_between_chance_and_the_optimum(settings):
    found = trials.signals(settings, None)
    assert found.keys() == {"centred", "uncentred", "random"}
    assert 0 < found["random"] < 1


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_features_are_those_of_the_adapter_before_and_after_training(settings, precision):
    settings |= {"precision": precision}
    before = features.untrained_features(settings, None)
    assert before > 0
    unmoved = features.inner_features(settings | {"lr": 1e-9}, None)
    assert unmoved == pytest.approx(before, rel=1e-5)  # 8 steps of 1e-9 in entries of some .1
    moved = features.inner_features(settings, None)
    assert abs(moved / before - 1) > 0.01  # 8 steps of .02
    assert features.untrained_features(settings | {"scheme": "init_b"}, None) == 0  # A is zero


def test_directions_that_two_changes_share_are_found(settings, monkeypatch):
    """Of a change and itself all are; of another change as many as by chance."""
    rng = np.random.default_rng(0)
    monkeypatch.setattr(trials, "DRAWS", 5)
    kept: dict[str, Any] = {}

    def changes(settings, names):
        whole = settings["variant"] == "full"
        assert settings["steps"] == (8 if whole else trials.EARLY)
        assert whole == (settings["lr"] == language.BEST["full"])
        plain = FineTuneConfig.of(**settings | {"variant": "plain", "save": "model"})
        model = prepare(plain).loaded.model
        for name in names:
            shape = shape_of(model.get_submodule(name))
            kept.setdefault(name, rng.normal(size=shape))
        return kept

    monkeypatch.setattr(trials, "changes", changes)
    for found in trials.directions(settings, None).values():
        assert found["value"] == 1
        assert 0 < found["null"] < 1


def test_the_changes_are_those_of_the_runs(settings):
    """One step of full fine-tuning by AdamW changes each entry by the learning rate at most."""
    name = "model.layers.0.mlp.down_proj"
    own = settings | {"steps": 1}
    whole = trials.changes(trials.full_of(own), [name])[name]
    most = language.BEST["full"]
    assert 0 < np.abs(whole).max() <= most * (1 + 1e-3)
    low = trials.changes(own, [name])[name]
    assert low.shape == whole.shape
    assert np.linalg.matrix_rank(low, tol=1e-6 * np.abs(low).max()) <= 8


@pytest.fixture
def known(monkeypatch, tmp_path):
    """The memo of trials that are made up."""

    def name_of(settings: dict[str, Any]) -> str:
        return "Init[B]" if settings["scheme"] == "init_b" else "LoRA"

    def fine_tuned(settings: dict[str, Any], peft: None = None) -> dict[str, Any]:
        return made.run_of(name_of(settings), settings["lr"], 0) | {
            "test_data": f"of {settings['seed']}"
        }

    def similarity(settings: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
        same_seed = settings["seed"] == other["seed"]
        same_task = settings["task_options"] == other["task_options"]
        return made.SAME_SEED if same_seed else made.SAME_TASK if same_task else made.NEITHER

    def signals(settings: dict[str, Any], peft: None) -> dict[str, float]:
        return made.SIGNALS

    def directions(settings: dict[str, Any], peft: None) -> dict[str, dict[str, float]]:
        return made.DIRECTIONS

    def inner_features(settings: dict[str, Any], peft: None) -> float:
        return made.size_of(name_of(settings), settings["lr"])

    def untrained_features(settings: dict[str, Any], peft: None) -> float:
        return made.UNTRAINED

    monkeypatch.setattr(language, "BEST", dict.fromkeys(language.BEST, 1e-3))
    monkeypatch.setattr(sweep, "fine_tuned", fine_tuned)
    for trial in (similarity, signals, directions):
        monkeypatch.setattr(trials, trial.__name__, trial)
    for trial in (inner_features, untrained_features):
        monkeypatch.setattr(features, trial.__name__, trial)
    return Memo(Store(tmp_path / "store.sqlite"), "adapters", "code", compute=here)


def test_every_claim_is_measured_from_the_trials(known):
    found = adapters.measure(Config(seeds=4, block=BLOCK), known).measured
    for id, checks in found.items():
        values = {key: one and one.value for key, one in checks.items()}
        assert values == pytest.approx(made.EXPECTED[id], rel=1e-12), id


def test_the_reduced_size_measures_nothing(known):
    found = adapters.measure(adapters.PROXY.quick, known).measured
    assert not any(m for checks in found.values() for m in checks.values())


def test_no_claim_speaks_of_more_than_was_measured():
    for claim in adapters.CLAIMS:
        assert claim.scope is Scope.LM
        assert not claim.covers
        assert "on SmolLM2-135M, 40 steps" in claim.statement


@pytest.mark.parametrize(("field", "value"), [("seeds", 0), ("seeds", 5), ("block", -1)])
def test_impossible_sizes_are_refused(field, value):
    with pytest.raises(ValueError, match=f"--{field} must be"):
        Config(**{field: value})
