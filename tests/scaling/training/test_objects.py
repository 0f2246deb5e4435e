"""`loralab.finetune` and the other functions on a model and data that the caller holds."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

pytest.importorskip("transformers")

import lora
import loralab
from scaling.core.config import Config
from scaling.training.objects import configured
from tests.support.finetuning import sentences, tiny_bert

TRAIN, TEST = sentences(64, 0), sentences(12, 1)
SMALL: dict[str, Any] = {"steps": 4, "batch": 8, "rank": 2, "lr": 0.02}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model"), dropout=0.0)


@pytest.fixture
def held(folder, tmp_path, monkeypatch) -> dict[str, Any]:
    """A model with its tokenizer, and records; the run store lies in tmp_path."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    monkeypatch.setenv("LORALAB_HOME", str(tmp_path / "home"))
    torch.manual_seed(0)  # of the head
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
    model.train()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return {"model": model, "tokenizer": tokenizer, "train": TRAIN, "test": TEST}


def picture(model: nn.Module) -> list[Any]:
    """Everything of a model that a command could change."""
    tensors = {k: v.clone() for k, v in model.state_dict().items()}
    modules = [
        (m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()
    ]
    wanted = [(n, p.requires_grad, p.grad, p.device) for n, p in model.named_parameters()]
    return [tensors, modules, wanted, [type(m) for m in model.modules()]]


def same(model: nn.Module, before: list[Any]) -> bool:
    after = picture(model)
    bits = all(torch.equal(after[0][k], v) for k, v in before[0].items())
    return bits and after[0].keys() == before[0].keys() and after[1:] == before[1:]


def test_a_run_leaves_the_model_alone_and_its_adapter_fits_on_it(held, tmp_path):
    model, before = held["model"], picture(held["model"])
    found = loralab.finetune(**held, **SMALL)
    assert same(model, before)
    again = loralab.finetune(**held, **SMALL)
    assert (again.folder, again.seconds) == (found.folder, found.seconds), "read, not repeated"
    assert len(list((tmp_path / "home" / "runs" / "objects").iterdir())) == 3 + 1, "and a lock"
    lora.load(model, found.adapter)
    rows = [
        json.loads(line)
        for line in (found.folder / "predictions.jsonl").read_text().split("\n")
        if line
    ]
    batch = held["tokenizer"](
        [record["text"] for record in TEST], padding=True, return_tensors="pt"
    )
    model.eval()
    with torch.no_grad():
        logits = model(**batch).logits
    expected = torch.tensor([row["logits"] for row in rows])
    # other lengths of batches, and so another order of sums: hundreds of roundings of order 1
    assert torch.allclose(logits, expected, atol=640 * torch.finfo(torch.float32).eps)
    with pytest.raises(ValueError, match="carries adapters; pass the base model"):
        loralab.finetune(**held, **SMALL)


def test_advice_and_initializations_leave_the_model_alone(held, tmp_path):
    before = picture(held["model"])
    found = loralab.advise(**held, **SMALL, batches=2)
    assert found.recommendation["scheme"] in ("init_a", "eva")
    assert same(held["model"], before)
    start = loralab.init(**held, rank=2, scheme="eva", out=tmp_path / "start")
    assert start.ranks
    assert same(held["model"], before)


def test_the_trials_of_a_sweep_read_its_files(held):
    before = picture(held["model"])
    size = {"rates": [5e-3, 2e-2], "seeds": [0], "widen": 0, "jobs": 1}
    found = loralab.sweep(**held, **SMALL | size, schemes=["init_a"])
    assert [row.method for row in found.rows] == ["init_a"]
    assert same(held["model"], before)


def test_equal_objects_are_the_same_run_and_others_another(held):
    settings = {name: value for name, value in held.items() if name != "tokenizer"}
    first = configured(None, settings, held["tokenizer"])
    assert configured(None, settings, held["tokenizer"]) == first
    with torch.no_grad():
        next(held["model"].parameters()).view(-1)[0] += 1
    other = configured(None, settings | {"train": TRAIN[1:]}, held["tokenizer"])
    assert other.data.model != first.data.model
    assert other.data.train != first.data.train
    assert other.data.test == first.data.test


def test_tables_are_records(tmp_path, monkeypatch):
    datasets, pandas = pytest.importorskip("datasets"), pytest.importorskip("pandas")
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path))
    names = ["number", "colour"]
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)}
    )
    table = datasets.Dataset.from_list(
        [record | {"label": names.index(record["label"])} for record in TRAIN], features
    )
    files = {
        configured(None, {"train": data}).data.train
        for data in (TRAIN, table, pandas.DataFrame(TRAIN), tuple(TRAIN))
    }
    assert len(files) == 1
    assert [json.loads(line) for line in Path(str(*files)).read_text().splitlines()] == TRAIN
    frame = pandas.DataFrame({"a": [1, 2], "b": [0.5, float("nan")], "c": ["x", None]})
    file = Path(str(configured(None, {"train": frame}).data.train))
    assert [json.loads(line) for line in file.read_text().splitlines()] == [
        {"a": 1, "b": 0.5, "c": "x"},
        {"a": 2, "b": None, "c": None},
    ]


def test_wrong_objects_are_one_sentence_and_nothing_is_written(held, tmp_path):
    model, tokenizer = held["model"], held["tokenizer"]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"model": model}, "pass its tokenizer"),
        ({"model": nn.Linear(2, 2), "tokenizer": tokenizer}, "or a base model of transformers"),
        ({"tokenizer": tokenizer}, "tokenizer is of a model object"),
        ({"train": []}, "train holds no records"),
        ({"train": ["a text"]}, "train: record 1 must be a dict by column"),
        ({"train": [{"text": object()}]}, "train: record 1 holds what JSON cannot"),
        ({"train": TRAIN, "test": [{"text": float("nan")}]}, "test: record 1 holds what JSON"),
        ({"train": {"text": ["a"]}}, "train must be a name, a list of records"),
        ({"model": model, "tokenizer": tokenizer, "rnak": 4}, "there is no setting 'rnak'"),
    ]
    for settings, sentence in cases:
        with pytest.raises(ValueError, match=sentence) as caught:
            loralab.finetune(**settings)
        assert "\n" not in str(caught.value)
    assert not list((tmp_path / "home").rglob("*.jsonl"))


def test_a_model_that_its_files_would_not_give_back_is_refused(held, tmp_path):
    held["model"].bert.encoder.layer[0].output.register_buffer(
        "mine", torch.ones(1), persistent=False
    )
    with pytest.raises(ValueError, match="is not what save_pretrained writes of it"):
        loralab.finetune(**held, **SMALL)
    assert [
        p.name for p in (tmp_path / "home" / "runs" / "objects").glob("[!.]*") if p.is_dir()
    ] == []


def test_a_run_of_names_is_as_before(tmp_path):
    model, train = str(tmp_path), tmp_path / "b.jsonl"
    train.write_text('{"text": "red", "label": "one"}')
    assert configured(Config.of(rank=3), {"model": model, "train": train}) == Config.of(
        rank=3, model=model, train=str(train)
    )
