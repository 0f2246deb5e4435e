"""`loralab advise` from flags to the tables, on models that are made in a moment."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

pytest.importorskip("transformers")

from scaling import advise as command
from scaling.advice import advice, rates
from scaling.core.config import Config
from tests.support.finetuning import arguments, tiny_bert, without_store, word_tokenizer
from tests.support.models import llama
from tests.support.probes import RANK
from tests.support.text_rows import WORDS, rows


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model"))


given = partial(without_store, "advice.json")


def trace(model: nn.Module) -> list[Any]:
    modules = [
        (m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()
    ]
    return [modules, [(name, p.requires_grad, p.grad) for name, p in model.named_parameters()]]


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_it_was(model, tmp_path, monkeypatch, fails):
    """Its weights, modes, hooks and gradients, on an error too."""
    from scaling.training.preparation import prepare

    arguments(model, tmp_path)
    train, test = (str(tmp_path / f"{name}.jsonl") for name in ("train", "test"))
    config = Config.of(model=str(model), train=train, test=test, batch=8, rank=RANK)
    job = prepare(config)
    before, state = (
        trace(job.loaded.model),
        {k: v.clone() for k, v in job.loaded.model.state_dict().items()},
    )
    if fails:
        monkeypatch.setattr(rates, "curvature", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            advice.advised(job, 8)
    else:
        advice.advised(job, 8)
    after = job.loaded.model.state_dict()
    assert after.keys() == state.keys()
    assert all(torch.equal(after[key], value) for key, value in state.items())
    assert trace(job.loaded.model) == before


def test_a_classifier_gets_advice_that_can_be_scored(model, tmp_path, capsys):
    assert command.run(given(model, tmp_path, "--scheme", "orthogonal")) == 0
    found = json.loads((tmp_path / "advice.json").read_text())
    assert found["bounds"].keys() == found["starts"].keys() == {"orthogonal", "init_a", "eva"}
    assert found["batches"] == 8
    assert found["facts"]["fresh"], "the head is new"
    assert len(found["layers"]) == 13, "six kinds at two depths, and the pooler"
    assert all(0 < row["explained"] <= 1 for row in found["layers"])
    assert [c["choice"] for c in found["recommendation"] if c["choice"] == "rates"]
    assert found["starts"]["eva"]["batches"] == 8, "a run would take all 64 examples"
    assert command.run(given(model, tmp_path, "--batch", "64")) == 0
    assert json.loads((tmp_path / "advice.json").read_text())["starts"]["eva"]["batches"] == 1, (
        "all at once"
    )
    said = capsys.readouterr().out
    assert "recommendation" in said
    assert str(tmp_path / "advice.json") in said


def test_a_language_model_gets_advice_too(tmp_path, capsys):
    word_tokenizer(tmp_path, WORDS)
    llama().save_pretrained(tmp_path)
    (tmp_path / "train.jsonl").write_text(rows(32))
    (tmp_path / "test.jsonl").write_text(rows(4))
    flags = {
        "task": "causal_lm",
        "model": tmp_path,
        "train": tmp_path / "train.jsonl",
        "test": tmp_path / "test.jsonl",
    }
    flags |= {"batch": 8, "length": 12, "rank": 2, "batches": 2}
    words = [part for name, value in flags.items() for part in (f"--{name}", str(value))]
    assert command.run(words) == 0
    said = capsys.readouterr().out
    assert said.startswith("recommendation"), "first, and without the diagnostics"
    assert "probe batches\n" not in said
    assert f"loralab sweep --task causal_lm --model {tmp_path}" in said
    assert f"loralab finetune --task causal_lm --model {tmp_path}" in said
    methods = 1 if "--schemes init_a --rates" in said else 2
    assert f"\n# {methods * 15} trials, about " in said
    assert said.count("\nthe evidence behind a claim: loralab claims E2e\n") == 1
    assert "peft.LoraConfig(r=2, lora_alpha=16.0, target_modules=['q_proj', 'k_proj'" in said
    assert "\nnot weighed: init_b, " in said
    assert command.run([*words, "--verbose"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("recommendation")
    assert "14 layers measured on 2 probe batches" in said  # seven kinds at two depths
    assert "chance" not in said, "no head is new here"


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--batches", "1"), "batches must be at least 2"),
        (("--out", "nowhere/advice.json"), "must be a file in a folder that is there"),
        (("--model", "nowhere.jsonl"), "nowhere.jsonl"),
    ],
)
def test_wrong_input_is_one_sentence_and_writes_nothing(model, tmp_path, capsys, flags, sentence):
    assert command.run(given(model, tmp_path, *flags)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert sentence in said
    assert not (tmp_path / "advice.json").exists()


def test_the_command_line_hands_the_arguments_on(capsys):
    from loralab.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["advise", "--batches", "0"])
    assert ended.value.code == 2
    assert "batches must be at least 2" in capsys.readouterr().err
