"""The loss on the text that a base model knew, and what a run says of it."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("transformers")

from torch.nn import functional as F
from transformers import AutoTokenizer

from scaling.core.config import Config
from scaling.core.task import Loaded
from scaling.data.base_text import base_text
from scaling.evaluation import forgetting
from tests.support.finetuning import call, tiny_llama
from tests.support.killing import kill_at
from tests.support.models import gpt2, llama
from tests.support.text_rows import WORDS, rows

TEXT = " ".join(WORDS[i % 7] for i in range(300))
EPS = torch.finfo(torch.float32).eps


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("model"), WORDS)


@pytest.fixture
def loaded(model) -> Loaded:
    return Loaded(llama(), AutoTokenizer.from_pretrained(model), ())


def given(model: Path, folder: Path, *more: str) -> list[str]:
    folder.mkdir(exist_ok=True)
    for name, count in (("train", 36), ("test", 4)):
        (folder / f"{name}.jsonl").write_text(rows(count).replace("####", "one"))
    (folder / "text.txt").write_text(TEXT)
    named = {
        "task": "causal_lm",
        "model": model,
        "train": folder / "train.jsonl",
        "test": folder / "test.jsonl",
        "out": folder / "run",
        "store": folder / "s.sqlite",
        "remember": folder / "text.txt",
        "steps": 12,
        "batch": 8,
        "lr": 0.02,
        "length": 12,
        "save-every": 4,
        "validate-every": 3,
    }
    return [*(part for name, value in named.items() for part in (f"--{name}", str(value))), *more]


def of_run(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run" / "metrics.json").read_text())["base_text"]


def test_the_loss_is_the_bits_of_all_tokens_but_the_first_over_the_bytes(loaded, monkeypatch):
    """With blocks as long as the text; a mean of 299 losses, each rounded some times."""
    monkeypatch.setattr(forgetting, "LENGTH", 1000)
    found = forgetting.of(Config.of(), loaded, TEXT)
    ids = loaded.processor(TEXT, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        logits = loaded.model(input_ids=ids).logits
    nats = F.cross_entropy(logits[0, :-1], ids[0, 1:], reduction="sum").item()
    assert found.loss == pytest.approx(nats / math.log(2) / len(TEXT.encode()), rel=100 * EPS)
    assert found.in_nats(found.loss) == pytest.approx(nats / 299, rel=100 * EPS)


def test_blocks_predict_every_token_once_and_their_mean_is_the_loss(loaded):
    pieces = forgetting.blocks(loaded, TEXT)
    ids = loaded.processor(TEXT)["input_ids"]
    assert [token for piece in pieces for token in piece[1:]] == ids[1:]
    assert {len(piece) for piece in pieces[:-1]} == {forgetting.LENGTH}
    found = forgetting.of(Config.of(), loaded, TEXT)
    bits = 0.0
    for piece in pieces:
        ids = torch.tensor([piece])
        with torch.no_grad():
            bits += loaded.model(input_ids=ids, labels=ids).loss.item() * (len(piece) - 1)
    wanted = bits / math.log(2) / len(TEXT.encode())
    assert found.loss == pytest.approx(wanted, rel=100 * EPS)
    first = forgetting.of(Config.of(), loaded, TEXT, 2)
    assert first.blocks == pytest.approx(found.blocks[:2], rel=100 * EPS)


def test_a_model_that_does_not_train_forgets_nothing_and_one_that_does_is_seen(model, tmp_path):
    still, moved = tmp_path / "still", tmp_path / "moved"
    assert call(given(model, still, "--lr", "1e-30")) == 0
    assert call(given(model, moved)) == 0
    found = of_run(still)
    assert found["before"] == found["after"]
    assert found["nats_a_token"] == 0.0
    assert len({loss for _, loss in found["curve"]}) == 1
    found = of_run(moved)
    assert [step for step, _ in found["curve"]] == [0, 3, 6, 9, 12]
    assert abs(found["after"] - found["before"]) > 0.01
    assert found["bytes"] == len(TEXT)
    assert of_run(still)["sha256"] == found["sha256"]


def test_it_is_measured_without_changing_the_training(model, tmp_path):
    seen, unseen = tmp_path / "seen", tmp_path / "unseen"
    assert call(given(model, seen, "--dropout", "0.1")) == 0
    assert call(given(model, unseen, "--dropout", "0.1", "--remember", "none")) == 0
    both = [json.loads((f / "run" / "metrics.json").read_text()) for f in (seen, unseen)]
    assert both[0]["losses"] == both[1]["losses"]
    assert both[1]["base_text"] is None


def test_a_killed_run_has_the_whole_curve_and_the_loss_before(model, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert call(given(model, whole)) == 0
    again = given(model, cut)
    kill_at(9, again)
    assert call([*again, "--resume"]) == 0
    assert of_run(cut) | {"source": ""} == of_run(whole) | {"source": ""}


def test_the_default_is_english_prose_that_every_python_has():
    found = base_text(Config.of(task="causal_lm"))
    assert found is not None
    assert 5_000 < len(found.text) < 10_000
    assert "identity, a type and a value" in " ".join(found.text.split())
    assert base_text(Config.of()) is None
    assert base_text(Config.of(task="causal_lm", remember="none")) is None


def test_a_jsonl_file_is_read_record_after_record(tmp_path):
    file = tmp_path / "text.jsonl"
    file.write_text('{"text": "one"}\n{"text": "two"}\n')
    found = base_text(Config.of(task="causal_lm", remember=str(file)))
    assert found is not None
    assert found.text == "one\n\ntwo"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.txt", " \n", "holds no text"),
        ("missing.txt", None, "cannot be read: No such file"),
        ("missing.jsonl", None, "there is no data file"),
        ("empty.jsonl", "", "holds no records"),
        ("other.jsonl", '{"words": "one"}\n', "has no column 'text'"),
        ("short.txt", "one", "has 1 tokens, and two are needed"),
    ],
)
def test_a_wrong_file_is_one_sentence_before_any_training(
    model, tmp_path, capsys, name, content, said
):
    if content is not None:
        (tmp_path / name).write_text(content)
    own = given(model, tmp_path, "--remember", str(tmp_path / name))
    capsys.readouterr()
    assert call(own) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("error: remember: ")
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_task_without_language_models_refuses_a_text():
    with pytest.raises(ValueError, match="remember is for language models, task causal_lm"):
        base_text(Config.of(remember="text.txt"))


def test_bytes_are_of_utf_8_and_dropout_is_off(model):
    text = "what is naïve or Ω " * 4
    loaded = Loaded(gpt2().train(), AutoTokenizer.from_pretrained(model), ())  # it has dropout
    found = forgetting.of(Config.of(), loaded, text)
    assert found.bytes == len(text.encode()) > len(text)
    assert found == forgetting.of(Config.of(), loaded, text)
