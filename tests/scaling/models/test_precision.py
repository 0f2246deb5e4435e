"""In what a run computes: what auto becomes, what is recorded, and what is held in which type."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

pytest.importorskip("transformers")

import loralab
from scaling.core.config import Config
from scaling.models import precision
from scaling.training.adapting import attach
from scaling.training.preparation import prepare
from tests.support.finetuning import arguments, call, tiny_bert, tiny_llama
from tests.support.text_rows import WORDS, rows

F32, BF16 = torch.float32, torch.bfloat16


@pytest.fixture(scope="module")
def language_model(tmp_path_factory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("model"), WORDS)


@pytest.fixture
def wide(monkeypatch) -> None:
    """A model of width 32 counts as wide."""
    monkeypatch.setattr(precision, "WIDE", 32)


@pytest.fixture
def fast(monkeypatch, wide) -> None:
    on_a_machine(monkeypatch, 2.0)


def on_a_machine(patch, ratio: float) -> None:
    patch.setattr(precision, "milliseconds", lambda dtype, shape: ratio if dtype == F32 else 1.0)


def settings(model: Path, folder: Path) -> dict:
    for name, count in (("train", 16), ("test", 2)):
        (folder / f"{name}.jsonl").write_text(rows(count))
    data = {name: folder / f"{name}.jsonl" for name in ("train", "test")}
    small = {"steps": 2, "batch": 4, "length": 12, "task_options": {"new_tokens": 2}}
    return {"task": "causal_lm", "model": model, **data, **small}


@pytest.mark.parametrize(
    ("ratio", "chosen"), [(2.0, "bfloat16"), (1.1, "float32"), (0.3, "float32")]
)
def test_auto_is_what_is_clearly_faster(language_model, monkeypatch, wide, ratio, chosen):
    on_a_machine(monkeypatch, ratio)
    found, line = precision.settled(Config.of(task="causal_lm", model=language_model))
    assert found.training.precision == chosen
    assert line is not None
    assert line.startswith(
        f"precision: {chosen}, as on this machine a product of the model's shape"
    )
    assert "(48 x 32)" in line


def test_auto_is_float32_but_for_wide_language_models(language_model, monkeypatch, tmp_path):
    on_a_machine(monkeypatch, 9.0)
    encoder = tiny_bert(tmp_path)
    for config in (
        Config(),
        Config.of(task="causal_lm", model="gpt"),
        Config.of(task="causal_lm", model=language_model),
        Config.of(model=encoder),
    ):
        found, line = precision.settled(config)
        assert (found.training.precision, line) == ("float32", None)


def test_a_precision_that_is_given_is_not_measured(language_model, monkeypatch, wide):
    monkeypatch.setattr(precision, "milliseconds", None)
    for given in ("float32", "bfloat16", "float16"):
        config = Config.of(task="causal_lm", model=language_model, precision=given)
        assert precision.settled(config) == (config, None)


def test_a_product_takes_time():
    few, many = (precision.milliseconds(F32, (side, side)) for side in (16, 1024))
    assert 0 < few < many


def test_a_run_goes_on_with_the_precision_that_it_began_with(
    language_model, tmp_path, monkeypatch, fast, capsys
):
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path))
    given = settings(language_model, tmp_path)
    first = loralab.finetune(**given)
    assert "precision: bfloat16, as on this machine" in capsys.readouterr().err
    assert json.loads((first.folder / "run.json").read_text())["precision"] == "bfloat16"
    on_a_machine(monkeypatch, 0.1)
    again = loralab.finetune(**given)
    assert again.seconds == first.seconds, "read, not repeated in float32"
    with pytest.raises(ValueError, match="holds a run with another precision"):
        loralab.finetune(**given, precision="float32", out=first.folder)


def test_the_trials_of_a_sweep_have_the_precision_that_it_began_with(
    language_model, tmp_path, monkeypatch, fast
):
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path))
    given = settings(language_model, tmp_path)
    given |= {"schemes": ["init_a"], "rates": [1e-2], "seeds": [0], "widen": 0, "jobs": 1}
    first = loralab.sweep(**given)
    assert json.loads((first.folder / "sweep.json").read_text())["precision"] == "bfloat16"
    [run] = (tmp_path / "runs" / "sweep").glob("*/run.json")
    assert json.loads(run.read_text())["precision"] == "bfloat16"
    on_a_machine(monkeypatch, 0.1)
    assert loralab.sweep(**given).folder == first.folder
    assert len([*(tmp_path / "runs" / "sweep").glob("*/run.json")]) == 1, "no trial is run again"


def test_the_base_is_in_bfloat16_and_all_that_is_trained_in_float32(tmp_path):
    model = tiny_bert(tmp_path)
    arguments(model, tmp_path)
    data = {name: tmp_path / f"{name}.jsonl" for name in ("train", "test")}
    whole = {"modules_to_save": ("LayerNorm",)}
    job = prepare(Config.of(model=model, **data, **whole, precision="bfloat16", batch=8))
    attach(job)
    found = {p.requires_grad: {q.dtype for q in ps} for p, ps in by_training(job.loaded.model)}
    assert found == {True: {F32}, False: {BF16}}
    batch = job.task.collate(job.loaded)(job.inputs[:4])
    output = job.loaded.model(**batch)
    assert output.logits.dtype == F32, "the head's, for the loss"
    output.loss.backward()
    trained = [p for p in job.loaded.model.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.dtype == F32 for p in trained)


def by_training(model):
    for wanted in (True, False):
        some = [p for p in model.parameters() if p.requires_grad is wanted]
        yield some[0], some


def test_advice_and_an_initialization_are_of_the_base_in_bfloat16(language_model, tmp_path):
    given = settings(language_model, tmp_path) | {"precision": "bfloat16"}
    assert loralab.advise(**given, batches=2).recommendation["scheme"]
    found = loralab.init(**given, scheme="eva", out=tmp_path / "start")
    assert all(share is None or 0 < share <= 1 for share in found.explained.values())


# of PEFT's, about transformers
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
@pytest.mark.filterwarnings("ignore:Unsupported layer type")
def test_a_peft_method_trains_in_float32_or_is_refused(tmp_path, capsys):
    model, file = tiny_bert(tmp_path), tmp_path / "peft.json"
    more = ("--peft", str(file), "--precision", "bfloat16", "--force")
    given = arguments(model, tmp_path, *more, steps=2)
    at = given.index("--rank")
    del given[at : at + 2]
    file.write_text('{"peft_type": "LORA", "r": 2, "use_dora": true}')
    assert call(given) == 0
    file.write_text('{"peft_type": "LN_TUNING", "target_modules": ["LayerNorm"]}')
    capsys.readouterr()
    assert call(given) == 2
    assert "LN_TUNING would train" in (said := capsys.readouterr().err.splitlines()[-1])
    assert said.endswith("in bfloat16, which loses small steps: use --precision float32")


def test_what_is_trained_whole_is_held_in_float32_and_computes_in_what_was_asked_for():
    for precision_, full, held, products in (
        ("float32", False, F32, None),
        ("bfloat16", False, BF16, None),
        ("float16", False, F32, torch.float16),
        ("float32", True, F32, None),
        ("bfloat16", True, F32, BF16),
        ("auto", False, F32, None),
    ):
        config = Config.of(precision=precision_, **({"variant": "full"} if full else {}))
        found = precision.base_dtype(config), precision.autocast_dtype(config)
        assert found == (held, products), (precision_, full)


def test_the_first_product_which_is_slower_does_not_count(monkeypatch):
    ticks = iter([0.0, 0.001, 1, 1.004, 2, 2.003, 3, 3.006, 4, 4.005])
    monkeypatch.setattr(precision, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    assert precision.milliseconds(F32, (2, 2)) == pytest.approx(3)
