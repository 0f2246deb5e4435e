"""Generalization gaps of a language model's adapter."""

import json
from pathlib import Path
from typing import Any

import pytest

from loralab.memo import Memo
from loralab.store import Store
from paper_figs import gaps as figures
from scaling.core.config import Config as FineTuneConfig
from scaling.studies import gaps, tables
from scaling.studies.claims.gaps import EXAMPLES
from scaling.studies.gaps import BEST, Config
from scaling.studies.trials import gaps as trials
from scaling.training.trainer import Diverged
from tests.support.finetuning import tiny_llama
from tests.support.sweeps import here
from tests.support.text_rows import WORDS
from tests.support.worlds import gaps as made
from theory.generalization import information_bound


@pytest.fixture
def settings(tmp_path, monkeypatch) -> dict[str, Any]:
    """Of a run on eight examples, of which two are trained on and three are unseen."""
    monkeypatch.setattr(trials, "EXAMPLES", 2)
    monkeypatch.setattr(trials, "UNSEEN", 3)
    rows = [{"prompt": f"{word} is", "answer": word} for word in WORDS[:9]]
    text = "\n".join(map(json.dumps, rows))
    (tmp_path / "all.jsonl").write_text(text + "\n")
    return FineTuneConfig.of(
        task="causal_lm",
        model=str(tiny_llama(tmp_path / "model", WORDS)),
        train=str(tmp_path / "all.jsonl"),
        test=str(tmp_path / "all.jsonl"),
        steps=40,
        batch=2,
        length=16,
        lr=0.05,
        validate_every=40,
        task_options={"samples": 0},
    ).as_json()


def test_the_gap_is_of_the_examples_trained_on(settings, monkeypatch):
    """Training lowers the loss on two examples more than on others."""
    from scaling.training import running

    read: dict[str, list[dict[str, str]]] = {}
    train = running.train

    def watched(config: FineTuneConfig, *more: Any, **named: Any) -> Any:
        for name in ("train", "test"):
            file = Path(str(getattr(config.data, name)))
            read[name] = [json.loads(line) for line in file.read_text().splitlines()]
        return train(config, *more, **named)

    monkeypatch.setattr(running, "train", watched)
    found = trials.fitted(settings, None)
    assert len(read["train"]) == 2
    assert read["test"][:2] == read["train"]
    assert len({row["answer"] for row in read["test"]}) == 2 + 2 * 3, "none is read twice"
    untrained = trials.fitted(settings | {"lr": 1e-12}, None)
    [(step, validation)], [(_, before)] = found["validation"], untrained["validation"]
    others = (found["test"] - untrained["test"], validation - before)
    assert found["train"] - untrained["train"] < min(0.0, *others) - 0.1
    assert step == 40
    assert found["trained_parameters"] > 0
    again = trials.fitted(settings | {"seed": 1}, None)
    assert again["test"] != found["test"], "another seed draws other examples"


def test_a_run_that_diverges_says_so(settings, monkeypatch):
    from scaling.training import running

    def diverging(*_: Any, **__: Any) -> None:
        raise RuntimeError("training stopped") from Diverged("the loss is nan")

    monkeypatch.setattr(running, "train", diverging)
    assert trials.fitted(settings, None) == {"diverged": "training stopped"}


def test_too_few_examples_are_said(settings, monkeypatch):
    monkeypatch.setattr(trials, "UNSEEN", 4)
    with pytest.raises(RuntimeError, match="10 examples are needed, and there are 9"):
        trials.fitted(settings, None)


def test_the_bound_is_that_of_the_stored_bits():
    [first, *_] = tables.gaps_at_best(made.world(), made.SEEDS)
    nats = 16 * 100 * 0.6931471805599453
    assert first["method"] == "LoRA"
    assert first["learning rate"] == 3.2e-3
    assert [*first.values()][-1] == pytest.approx(information_bound(nats, EXAMPLES))
    assert first["gap"] == pytest.approx(made.gap("LoRA"))


def name_of(settings: dict[str, Any]) -> str:
    trained = settings["train_a"], settings["train_b"]
    return {(True, True): "LoRA", (False, True): "B alone", (True, False): "A alone"}[trained]


def test_each_method_is_compared_at_its_own_best_learning_rate(monkeypatch, tmp_path):
    asked: list[dict[str, Any]] = []

    def fitted(settings: dict[str, Any], peft: None) -> dict[str, Any]:
        asked.append(settings)
        name = name_of(settings)
        k = 1 + (settings["lr"] > BEST[name]) - (settings["lr"] < BEST[name])
        return made.run(name, k, settings["seed"] % 1000)

    monkeypatch.setattr(trials, "fitted", fitted)
    memo = Memo(Store(tmp_path / "store.sqlite"), "gaps", "code", compute=here)
    found = gaps.measure(Config(seeds=3, block=3000), memo)
    values = {key: m and m.value for key, m in found.measured["LM16"].items()}
    assert values == pytest.approx(made.EXPECTED["LM16"])
    assert len(asked) == 3 * 3 * 3
    assert {(each["steps"], each["length"]) for each in asked} == {(60, 96)}
    assert list(figures.figures(found.data)) == ["losses"]
    quick = gaps.measure(gaps.PROXY.quick, memo)
    assert not any(quick.measured["LM16"].values())
    with pytest.raises(ValueError, match="--seeds must be at least 1"):
        Config(seeds=0)
