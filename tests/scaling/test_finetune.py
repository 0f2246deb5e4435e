"""`loralab finetune` on a tiny model: what a run leaves behind, and that it is what stock PEFT
computes."""

import json
import re
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

from tests.support.finetuning import LEFT, arguments, call, sentences, tiny_bert


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model"))


def test_a_run_learns_and_leaves_adapter_predictions_metrics_and_curves(model, tmp_path, capsys):
    given = arguments(model, tmp_path)
    assert call(given) == 0
    out, err = capsys.readouterr()
    assert "on 12 examples held out" in out
    folder = tmp_path / "run"
    result = json.loads((folder / "metrics.json").read_text())
    rows = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    right = [row["prediction"] == row["label"] for row in rows]
    assert result["metrics"]["accuracy"] == sum(right) / len(right)
    assert f"accuracy {sum(right) / len(right):.4g}" in out
    assert len(result["losses"]) == 12
    assert result["final_loss"] != result["losses"][0][1]
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in folder.iterdir()) == LEFT
    # a line a stage, from the command to the first step
    assert [line[1] for line in re.finditer(r"(?:^|[\r\n])([a-z ]+): \d+\.\d s", err)] == [
        *("loading torch", "loading transformers", "data", "model", "examples"),
        *("evaluation of the base model", "initialization of the adapter", "first step"),
    ]
    # A finished run is read, not repeated.
    before = (folder / "metrics.json").stat().st_mtime_ns
    assert call(given) == 0
    assert capsys.readouterr().out.startswith("finished already, and nothing was trained now")
    assert (folder / "metrics.json").stat().st_mtime_ns == before


# of PEFT's, about transformers
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_stock_peft_computes_the_predictions_of_the_run(model, tmp_path):
    import peft
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    assert call(arguments(model, tmp_path, "--scheme", "pissa", steps=5)) == 0
    folder = tmp_path / "run"
    rows = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    texts = [
        json.loads(line)["text"] for line in (tmp_path / "test.jsonl").read_text().splitlines()
    ]
    base = AutoModelForSequenceClassification.from_pretrained(model, num_labels=2)
    stock = peft.PeftModel.from_pretrained(base, str(folder / "adapter")).eval()
    tokens = AutoTokenizer.from_pretrained(model)(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = stock(**tokens).logits
    expected = torch.tensor([row["logits"] for row in rows])
    # 200 roundings of float32 on the way, each of at most eps times values of order |logits|.
    assert (logits - expected).abs().max() <= 200 * torch.finfo(
        torch.float32
    ).eps * expected.abs().max().clamp_min(1)


LEARNING = ("--lr", "0.01", "--batch", "16")


@pytest.fixture(scope="module")
def steady(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("steady"), dropout=0.0)


def scores(folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """The metrics before and after."""
    result = json.loads((folder / "run" / "metrics.json").read_text())
    return result["before"], result["metrics"]


def write(folder: Path, rows: dict[str, list[dict]]) -> None:
    for name, some in rows.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))


def test_classes_are_learnt(steady, tmp_path):
    assert call(arguments(steady, tmp_path, *LEARNING, steps=40)) == 0
    before, after = scores(tmp_path)
    # 12 sentences, half of each class, which one word tells: all right, where guessing gets 6 +-
    # 1.7.
    assert after["accuracy"] == after["f1"] == after["matthews"] == 1.0
    assert before["accuracy"] < 0.9


def test_numbers_are_learnt_as_a_regression(steady, tmp_path):
    given = arguments(steady, tmp_path, *LEARNING, steps=40)
    value = {"colour": 1.5, "number": 0}  # as JSON has them: the whole one is an integer
    data = {
        name: sentences(count, seed) for name, count, seed in (("train", 64, 0), ("test", 12, 1))
    }
    write(
        tmp_path,
        {
            n: [{"text": r["text"], "label": value[r["label"]]} for r in some]
            for n, some in data.items()
        },
    )
    assert call(given) == 0
    before, after = scores(tmp_path)
    # To tell nothing is to say the mean: an error of (1.5 / 2)^2 = 0.56, and no correlation.
    assert after["mean_squared_error"] < 0.56 / 2 < before["mean_squared_error"]
    assert after["pearson"] > 0.8 > before["pearson"]


def test_of_a_pair_the_second_sentence_is_read_too(steady, tmp_path):
    given = arguments(steady, tmp_path, *LEARNING, "--columns", "first", "text", "label", steps=40)
    data = {
        name: sentences(count, seed) for name, count, seed in (("train", 64, 0), ("test", 12, 1))
    }
    write(
        tmp_path,
        {name: [{"first": "the a of", **row} for row in some] for name, some in data.items()},
    )
    assert call(given) == 0
    before, after = scores(tmp_path)
    assert after["accuracy"] == 1.0 > before["accuracy"]  # the first sentence is always the same


WRONG_LABELS = {
    "no number": (
        [1.5, 2.0],
        [3.0, "high"],
        "test.jsonl, of the test data, has no number in 'label'",
    ),
    "not finite": ([1.5, float("nan")], [3.0], "train.jsonl has nan in 'label'"),
    "one class": (["a", "a"], ["a"], "only one class, 'a'"),
    "unknown class": (["a", "b"], ["c"], "a class that the training data lack: 'c'"),
    "texts": (
        [f"text {k}" for k in range(12)],
        ["another"],
        "lack: 'another' in 'label'; --columns names the text first, and the label last",
    ),
}


@pytest.mark.parametrize("case", WRONG_LABELS)
def test_wrong_labels_are_one_sentence(model, tmp_path, capsys, case):
    train, test, expected = WRONG_LABELS[case]
    given = arguments(model, tmp_path)
    write(
        tmp_path,
        {
            n: [{"text": "red", "label": label} for label in s]
            for n, s in (("train", train), ("test", test))
        },
    )
    assert call(given) == 2
    assert expected in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    "names", [("number", "colour"), ("good", "bad")], ids=["of these classes", "of others"]
)
def test_a_head_that_knows_the_classes_is_kept_in_its_own_order(model, tmp_path, names):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    base = AutoModelForSequenceClassification.from_pretrained(
        model, id2label=dict(enumerate(names))
    )
    with torch.no_grad():
        # so sure of itself that one small step changes no prediction
        base.classifier.weight.mul_(50)
    base.save_pretrained(tmp_path / "base")
    AutoTokenizer.from_pretrained(model).save_pretrained(tmp_path / "base")
    assert call(arguments(tmp_path / "base", tmp_path, "--lr", "1e-6", steps=1)) == 0
    rows = [
        json.loads(line)
        for line in (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()
    ]
    texts = [
        json.loads(line)["text"] for line in (tmp_path / "test.jsonl").read_text().splitlines()
    ]
    with torch.no_grad():
        logits = base.eval()(
            **AutoTokenizer.from_pretrained(model)(texts, padding=True, return_tensors="pt")
        ).logits
    found = torch.tensor([row["logits"] for row in rows])
    kept = (found - logits).abs().max() < 1e-2 * logits.abs().max()
    assert kept == (names == ("number", "colour"))
    assert all(row["prediction"] in ("number", "colour") for row in rows)
    if kept:
        assert [row["prediction"] for row in rows] == [names[i] for i in logits.argmax(1).tolist()]
