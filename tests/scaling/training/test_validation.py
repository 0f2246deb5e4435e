"""Validation during `loralab finetune`: which adapter is kept, when it stops, and that nothing of
it is trained on."""

import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

from safetensors.torch import load_file

import lora
from scaling.core.config import Config
from scaling.core.task import Data
from scaling.training import preparation
from tests.support.finetuning import arguments, call, sentences, tiny_bert
from tests.support.killing import kill_at

OFTEN = ("--validate-every", "2")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model"), dropout=0.0)


def prepared(model: Path, folder: Path, *more: str) -> list[str]:
    """Arguments, with labels that nothing foretells, so that what is learnt by heart makes the
    validation loss rise."""
    given = arguments(model, folder, *more)
    rng = torch.Generator().manual_seed(0)
    labels = torch.randint(2, (64,), generator=rng).tolist()
    rows = [
        row | {"label": ("colour", "number")[i]}
        for row, i in zip(sentences(64, 0), labels, strict=True)
    ]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return given


def run(model: Path, folder: Path, *more: str) -> dict:
    assert call(prepared(model, folder, *more)) == 0
    return json.loads((folder / "run" / "metrics.json").read_text())


def test_no_more_is_held_out_than_the_test_has():
    train, test = [{"text": str(i)} for i in range(100)], [{"text": "a"}] * 30
    for most, held in ((30, 10), (3, 3), (0, 1)):
        config, data = Config.of(validate_every=1), Data(train, test[:most], {})
        parts = preparation.split_validation(config, data)
        assert [len(part) for part in parts] == [100 - held, held]


def test_the_adapter_of_the_lowest_validation_loss_is_kept(model, tmp_path, monkeypatch):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    split, seen = preparation.split_validation, []
    monkeypatch.setattr(
        preparation, "split_validation", lambda *given: seen.append(split(*given)) or seen[-1]
    )
    validation = run(model, tmp_path, *OFTEN)["validation"]
    losses = dict(validation)
    assert sorted(losses) == [2, 4, 6, 8, 10, 12]
    assert min(losses.values()) < losses[12], (
        "the last is not the best here, or the test shows nothing"
    )
    [(trained, held)] = seen
    assert len(held) == 6
    assert len(trained) == 58
    read = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert sorted(map(str, [*trained, *held])) == sorted(map(str, read))
    base = AutoModelForSequenceClassification.from_pretrained(model, num_labels=2)
    lora.load(base, tmp_path / "run" / "adapter")
    texts = AutoTokenizer.from_pretrained(model)(
        [r["text"] for r in held], padding=True, return_tensors="pt"
    )
    labels = torch.tensor([["colour", "number"].index(record["label"]) for record in held])
    with torch.no_grad():
        loss = base.eval()(**texts, labels=labels).loss.item()
    # the mean of six losses, of logits that hundreds of roundings of eps = 1.2e-7 go into
    assert loss == pytest.approx(min(losses.values()), rel=1e-4)


def test_training_stops_when_patience_is_at_an_end(model, tmp_path):
    result = run(model, tmp_path, *OFTEN, "--patience", "1")
    *before, (step, last) = result["validation"]
    assert step < 12
    assert len(result["losses"]) == step
    falling = [loss for _, loss in before]
    assert falling == sorted(falling, reverse=True), (
        "each validation before the last was the lowest so far"
    )
    assert last >= falling[-1]


def test_a_killed_run_remembers_the_best_of_before(model, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    validation = run(model, whole, *OFTEN)["validation"]
    assert min(validation, key=lambda pair: pair[1])[0] <= 8, (
        "the best is from before the checkpoint, or it shows nothing"
    )
    given = prepared(model, cut, *OFTEN)
    kill_at(11, given)  # the checkpoint is that of step 8
    assert call([*given, "--resume"]) == 0
    found, expected = (
        load_file(folder / "run" / "adapter" / "adapter_model.safetensors")
        for folder in (cut, whole)
    )
    assert all(torch.equal(found[key], value) for key, value in expected.items())


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (("--patience", "2"), "patience counts validations: set validate_every too"),
        (("--validate-every", "13"), "validate_every must be at most steps = 12, got 13"),
        (("--validate-every", "0"), "validate_every must be at least 1, got 0"),
    ],
)
def test_impossible_settings_are_one_sentence(model, tmp_path, capsys, more, expected):
    assert call(arguments(model, tmp_path, *more)) == 2
    assert expected in capsys.readouterr().err
