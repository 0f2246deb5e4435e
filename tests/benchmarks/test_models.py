"""What is measured: SmolLM2, shared weights, batches."""

import pytest
import torch

import lora
from benchmarks import models
from benchmarks.contestants import CONTESTANTS
from benchmarks.harness.rows import NotMeasured, Setting
from benchmarks.step import loss
from scaling.models import packaged

TOY = Setting(pairs=1, toy=True)


def test_a_missing_model_is_one_sentence_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path))
    monkeypatch.setattr(packaged.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotMeasured, match="loralab models get smollm2") as error:
        models.folder()
    assert "\n" not in str(error.value)


def test_models_share_values_and_no_parameter():
    one, other = (models.base("1B", TOY) for _ in range(2))
    for (name, p), q in zip(one.named_parameters(), other.parameters(), strict=True):
        assert p is not q, name
        assert p.data_ptr() == q.data_ptr(), name
    lora.attach(one, lora.Config(rank=2))
    assert all(p.requires_grad for p in other.parameters())


def test_a_toy_is_in_bfloat16_like_what_it_stands_for():
    assert {p.dtype for p in models.base(models.SMOLLM2, TOY).parameters()} == {torch.bfloat16}


@pytest.mark.filterwarnings("ignore::FutureWarning")  # PEFT's
@pytest.mark.parametrize("name", CONTESTANTS)
def test_every_contestant_begins_at_the_base_function(name):
    (batch,) = models.labelled(models.noise(1, 2, 8, models.SMOLLM2, TOY))
    base = models.base("small", TOY, torch.float32).eval()
    model = CONTESTANTS[name](models.base("small", TOY, torch.float32), rank=2).eval()
    with torch.no_grad():
        wanted, found = loss(base, batch), loss(model, batch)
    # B A = B0 A0: only rounding of a few sums over 32 numbers
    assert abs(found - wanted) <= 100 * torch.finfo(torch.float32).eps * wanted
    trained = [p for p in model.parameters() if p.requires_grad]
    loss(model, batch).backward()
    assert all(p.grad is not None for p in trained)
    assert bool(trained) != (name == "frozen base")
