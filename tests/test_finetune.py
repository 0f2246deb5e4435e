"""`loralab finetune` on a tiny model: what a run leaves behind, and that it is what stock PEFT computes."""

import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

from tests.finetuning import arguments, call, tiny_bert


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model"))


def test_a_run_learns_and_leaves_adapter_predictions_metrics_and_curves(model, tmp_path, capsys):
    given = arguments(model, tmp_path)
    assert call(given) == 0
    out = capsys.readouterr().out
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
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["adapter", "before.json", "curves.png", "metrics.json", "predictions.jsonl", "run.json"]
    )
    # A finished run is read, not repeated.
    before = (folder / "metrics.json").stat().st_mtime_ns
    assert call(given) == 0
    assert (folder / "metrics.json").stat().st_mtime_ns == before


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # of PEFT's, about transformers
def test_stock_peft_computes_the_predictions_of_the_run(model, tmp_path):
    import peft
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    assert call(arguments(model, tmp_path, "--scheme", "pissa", steps=5)) == 0
    folder = tmp_path / "run"
    rows = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    texts = [json.loads(line)["text"] for line in (tmp_path / "test.jsonl").read_text().splitlines()]
    base = AutoModelForSequenceClassification.from_pretrained(model, num_labels=2)
    stock = peft.PeftModel.from_pretrained(base, str(folder / "adapter")).eval()
    tokens = AutoTokenizer.from_pretrained(model)(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = stock(**tokens).logits
    expected = torch.tensor([row["logits"] for row in rows])
    # 200 roundings of float32 on the way, each of at most eps times values of order |logits|.
    assert (logits - expected).abs().max() <= 200 * torch.finfo(torch.float32).eps * expected.abs().max().clamp_min(1)
