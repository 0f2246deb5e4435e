"""The largest learning rate of a language model's adapter, over its rank."""

import math
from typing import Any

import pytest
import torch

import lora
from loralab.memo import Memo
from loralab.store import Store
from paper_figs import ranks as figures
from scaling.core.config import Config as FineTuneConfig
from scaling.studies import ranks
from scaling.studies.claims.ranks import MIDDLE, POWERS, RANKS, TARGET, alpha
from scaling.studies.evidence.ranks import crossing, slopes
from scaling.studies.ranks import Config
from scaling.studies.trials import ranks as trials
from scaling.training.trainer import Diverged
from tests.support.finetuning import tiny_llama
from tests.support.sweeps import here
from tests.support.text_rows import WORDS
from tests.support.worlds import ranks as made


@pytest.mark.parametrize("edge", [1e-6, 0.013, 3.0])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_a_law_of_powers_is_found(edge, power):
    found = trials.enclosed(lambda rate: TARGET * (rate / edge) ** power, 1e-2)
    sizes = {str(rate): size for rate, size in found.items()}
    assert crossing(sizes) == pytest.approx(edge)
    assert slopes([[crossing(sizes) * rank**0.25] for rank in RANKS]) == pytest.approx([0.25])


def test_a_run_that_diverges_encloses_nothing():
    """The learning rate of the size 1 is 0.02, and at 0.03 and more training diverges."""
    found = trials.enclosed(lambda rate: 50 * rate if rate < 0.03 else math.inf, 1e-2)
    assert math.inf in found.values()
    assert crossing({str(rate): size for rate, size in found.items()}) == pytest.approx(0.02)


def test_a_size_that_does_not_grow_is_said():
    with pytest.raises(RuntimeError, match="no learning rate encloses"):
        trials.enclosed(lambda rate: TARGET / 2, 1e-2)


def test_at_the_rank_in_the_middle_all_scales_are_one():
    assert {alpha(scale, MIDDLE) / MIDDLE for scale in POWERS} == {1.0}
    assert [alpha("alpha/r", rank) for rank in RANKS] == [MIDDLE] * len(RANKS)
    assert [alpha("constant", rank) / rank for rank in RANKS] == [1.0] * len(RANKS)
    assert alpha("alpha/sqrt(r)", 32) / 32 == pytest.approx(4**-0.5)


def run(tmp_path, **settings: Any) -> FineTuneConfig:
    rows = [f'{{"text": "{word} one"}}\n' for word in WORDS[:3]]
    (tmp_path / "train.jsonl").write_text("".join(rows))
    return FineTuneConfig.of(
        task="causal_lm",
        model=str(tiny_llama(tmp_path / "model", WORDS)),
        train=str(tmp_path / "train.jsonl"),
        test=str(tmp_path / "train.jsonl"),
        batch=2,
        length=16,
        rank=2,
        **settings,
    )


def test_what_is_added_is_the_change_of_the_outputs(tmp_path, monkeypatch):
    """Of a run whose factors are given, on the one batch that the model then sees."""
    config = run(tmp_path, steps=2, lr=0.05)
    seen: list[float] = []
    load = lora.load

    def loaded(model: torch.nn.Module, path: Any) -> Any:
        found = load(model, path)
        for layer in lora.adapters(model).values():
            layer.register_forward_hook(known)
        return found

    def known(layer: Any, inputs: Any, output: torch.Tensor) -> None:
        change = inputs[0] @ (layer.scale * layer.B @ layer.A).mT
        seen.append((change.norm() / (output - change).norm()).log().item())

    monkeypatch.setattr(lora, "load", loaded)
    assert trials.added(config) == pytest.approx(math.exp(sum(seen) / len(seen)), rel=1e-4)
    assert len(seen) > 1


def test_a_run_that_diverges_is_of_infinite_size(tmp_path, monkeypatch):
    from scaling.training import running

    def diverging(*_: Any, **__: Any) -> None:
        raise RuntimeError("training stopped") from Diverged("the loss is nan")

    config = run(tmp_path, steps=2)
    monkeypatch.setattr(running, "train", diverging)
    assert trials.added(config) == math.inf

    def failing(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(running, "train", failing)
    with pytest.raises(RuntimeError, match="out of memory"):
        trials.added(config)


def test_the_size_grows_with_the_learning_rate(tmp_path):
    config = run(tmp_path, steps=2)
    found = trials.bounded(config.as_json(), None)
    low, high = (sorted(found, key=float)[i] for i in (0, -1))
    assert 0 < found[low] <= TARGET < found[high]


def test_each_case_and_seed_is_a_search_of_its_own(monkeypatch, tmp_path):
    asked: list[dict[str, Any]] = []
    world = made.world()

    def bounded(settings: dict[str, Any], peft: None) -> dict[str, float]:
        asked.append(settings)
        scheme, rank = settings["scheme"], settings["rank"]
        [*found] = {
            world[scheme, scale, rank][settings["seed"] % 1000]
            for scale in POWERS
            if alpha(scale, rank) == settings["alpha"]
        }
        return {str(found[0] / 2): TARGET / 2, str(found[0] * 2): TARGET * 2}

    monkeypatch.setattr(trials, "bounded", bounded)
    monkeypatch.setattr(made, "BEND", dict.fromkeys(made.BEND, 0.0))
    world = made.world()
    memo = Memo(Store(tmp_path / "store.sqlite"), "ranks", "code", compute=here)
    found = ranks.measure(Config(seeds=3, block=3000), memo)
    values = {key: m and m.value for key, m in found.measured["LM15"].items()}
    assert values == pytest.approx(made.EXPECTED["LM15"])
    assert len(asked) == 2 * (3 * (len(RANKS) - 1) + 1) * 3, "all share the rank in the middle"
    assert {each["steps"] for each in asked} == {8}
    assert list(figures.figures(found.data)) == ["largest"]
    quick = ranks.measure(ranks.PROXY.quick, memo)
    assert not any(quick.measured["LM15"].values())
    with pytest.raises(ValueError, match="--seeds must be at least 1"):
        Config(seeds=0)
