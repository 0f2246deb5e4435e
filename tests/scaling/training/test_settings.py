"""Settings of `loralab finetune` that change how it trains, and what may not change with them."""

import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

from transformers.models.bert.modeling_bert import BertAttention

from scaling.core.config import Config
from scaling.training.preparation import sizes
from tests.support.finetuning import arguments, call, tiny_bert


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model"), dropout=0.0)


def losses(model: Path, folder: Path, *more: str) -> list[float]:
    folder.mkdir()
    assert call(arguments(model, folder, *more, steps=4)) == 0
    return [loss for _, loss in json.loads((folder / "run" / "metrics.json").read_text())["losses"]]


def test_checkpointing_computes_again_and_the_same(model, tmp_path, monkeypatch):
    forward, calls = BertAttention.forward, []
    monkeypatch.setattr(
        BertAttention,
        "forward",
        lambda *given, **named: calls.append(1) or forward(*given, **named),
    )
    expected, plain = losses(model, tmp_path / "plain"), len(calls)
    assert losses(model, tmp_path / "checkpointing", "--gradient-checkpointing") == expected
    assert len(calls) - plain == plain + 2 * 4, "two layers once more in each of four steps"


def test_bfloat16_is_near_float32_and_not_the_same(model, tmp_path):
    expected = losses(model, tmp_path / "float32")
    found = losses(model, tmp_path / "bfloat16", "--precision", "bfloat16")
    assert found != expected
    # The first loss, near log 2, is of equal weights: its logits, of order 1, carry tens of
    # roundings of eps = 2^-8.
    assert found[0] == pytest.approx(expected[0], abs=20 * torch.finfo(torch.bfloat16).eps)


def test_training_is_reported_where_it_is_asked_for(model, tmp_path):
    losses(model, tmp_path / "quiet")
    losses(model, tmp_path / "told", "--report-to", "tensorboard")
    assert not list((tmp_path / "quiet").rglob("events.out.tfevents*"))
    assert len(list((tmp_path / "told").rglob("events.out.tfevents*"))) == 1


def test_a_batch_is_shared_out():
    config = Config.of(batch=12)
    assert sizes(config, 100, 1) == (12, 12)
    assert sizes(config, 100, 3) == (12, 4)
    assert sizes(config, 9, 3) == (9, 3)
    assert sizes(Config.of(batch=12, micro_batch=2), 100, 3) == (12, 2)
    with pytest.raises(ValueError, match="must be a multiple of the 5 processes"):
        sizes(config, 100, 5)
    with pytest.raises(
        ValueError, match="micro_batch must divide the batch of 12 on 2 processes, got 4"
    ):
        sizes(Config.of(batch=12, micro_batch=4), 100, 2)
    with pytest.raises(ValueError, match="must be a multiple of the 3 processes"):
        sizes(config, 10, 3)
