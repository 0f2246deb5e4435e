"""The task seq2seq_lm: what is read, learnt and written, and a run from end to end."""

import json
import math
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

from scaling.core.config import Config
from scaling.core.task import Data
from scaling.pretrained import bart
from scaling.tasks import seq2seq_lm
from tests.support.finetuning import COLOURS, NUMBERS, arguments, call, tiny_bart
from tests.support.killing import ending, kill_at


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_bart(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def steady(tmp_path_factory) -> Path:
    return tiny_bart(tmp_path_factory.mktemp("steady"), dropout=0.0)


def given(model: Path, folder: Path, *more: str, steps: int = 12) -> list[str]:
    """A run that learns to write "the red" of a sentence with a colour, and "the one" of one with a
    number."""
    begun = arguments(model, folder, "--task", "seq2seq_lm", "--length", "8", *more, steps=steps)
    for name in ("train", "test"):
        rows = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        pairs = [{"text": r["text"], "summary": f"the {first_of(r['text'])}"} for r in rows]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    return begun


def first_of(text: str) -> str:
    return COLOURS[0] if set(COLOURS) & set(text.split()) else NUMBERS[0]


def results(folder: Path) -> tuple[dict, list[dict]]:
    result = json.loads((folder / "run" / "metrics.json").read_text())
    return result, [
        json.loads(line) for line in (folder / "run" / "predictions.jsonl").read_text().splitlines()
    ]


def test_a_run_learns_to_write_what_a_sentence_is_about(steady, tmp_path):
    assert call(given(steady, tmp_path, "--lr", "0.01", "--batch", "16", steps=60)) == 0
    result, rows = results(tmp_path)
    before, after = result["before"], result["metrics"]
    assert after["rougeL"] > 0.8 > 0.5 > before["rougeL"]
    assert after["perplexity"] < 2 < before["perplexity"]
    assert [row["target"] for row in rows] == ["the one", "the red"] * 6
    assert all(len(row["lead"].split()) == 2 for row in rows), "as many words as the targets have"
    assert after["lead_rougeL"] < 0.8


def test_a_run_in_bfloat16_learns_to_write(steady, tmp_path):
    more = ("--lr", "0.01", "--batch", "16", "--precision", "bfloat16")
    assert call(given(steady, tmp_path, *more, steps=60)) == 0
    result, _ = results(tmp_path)
    assert result["metrics"]["rougeL"] > 0.8 > 0.5 > result["before"]["rougeL"]


def test_rouge_is_of_what_was_written():
    rows = [
        {
            "target": "set the font size",
            "written": "set font size",
            "lead": "set",
            "loss": 3.0,
            "tokens": 2,
        },
        {"target": "to dict", "written": "", "lead": "to dict", "loss": 1.0, "tokens": 2},
    ]
    found = seq2seq_lm.metrics(rows, Data([], [], {}))
    # By hand: 3 of 3 words written and 3 of 4 wanted; of their pairs 1 of 2 and 1 of 3.
    assert found["rouge1"] == pytest.approx((2 * 1 * (3 / 4) / (1 + 3 / 4)) / 2)
    assert found["rouge2"] == pytest.approx((2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3)) / 2)
    assert found["rougeL"] == found["rouge1"]
    assert found["lead_rouge1"] == pytest.approx((2 * 1 * (1 / 4) / (1 + 1 / 4) + 1) / 2)
    assert found["perplexity"] == pytest.approx(math.e)


def test_a_batch_writes_what_each_text_alone_would(steady):
    config = Config.of(
        task="seq2seq_lm", model=str(steady), length=8, task_options={"new_tokens": 5}
    )
    data = Data([], [], {"columns": ("text", "summary"), "words": 1})
    loaded = seq2seq_lm.load(config, data)
    texts = ["red", "the one of a two", "of three"]
    records = [{"text": text, "summary": "the"} for text in texts]
    inputs = seq2seq_lm.examples(config, loaded, data, records)
    with torch.no_grad():
        together, alone = (
            seq2seq_lm.predict(config, loaded, data, records, inputs, size) for size in (3, 1)
        )
    assert [row["written"] for row in together] == [row["written"] for row in alone]
    assert len({row["written"] for row in alone}) > 1
    # 200 roundings on the way to a sum of two losses.
    eps = torch.finfo(torch.float32).eps
    assert [r["loss"] for r in together] == pytest.approx([r["loss"] for r in alone], rel=200 * eps)


def test_source_and_target_are_cut_and_padding_is_not_learnt(steady):
    config = Config.of(task="seq2seq_lm", model=str(steady), length=4)
    data = Data([], [], {"columns": ("text", "summary"), "words": 1})
    loaded = seq2seq_lm.load(config, data)
    records = [
        {"text": "red green blue one two", "summary": "one"},
        {"text": "a", "summary": "a of the red one"},
    ]
    batch = seq2seq_lm.collate(loaded)(seq2seq_lm.examples(config, loaded, data, records))
    read = loaded.processor.batch_decode(batch["input_ids"])
    assert read == ["red green blue <end>", "a <end> <pad> <pad>"]
    assert batch["labels"][0, 2:].tolist() == [-100, -100]
    assert loaded.processor.decode(batch["labels"][1]) == "a of the <end>"
    assert loaded.processor.decode(batch["decoder_input_ids"][1]) == "<end> a of the"


def test_accumulated_micro_batches_train_as_the_whole_batch(steady, tmp_path):
    losses = []
    for micro in ("8", "2"):
        (tmp_path / micro).mkdir()
        assert call(given(steady, tmp_path / micro, "--micro-batch", micro, steps=4)) == 0
        losses.append([loss for _, loss in results(tmp_path / micro)[0]["losses"]])
    # All targets have three tokens, so that means of means are the means: sums of equal terms in
    # another order. Four steps of Adam carry a rounding of eps = 1.2e-7 on; 1e-3 is far below what
    # other examples change (above 1e-2).
    assert losses[1] == pytest.approx(losses[0], abs=1e-3)


@pytest.mark.parametrize(
    "more", [("--scheme", "eva"), ("--scheme", "lora_ga"), ("--variant", "overparam")]
)
def test_schemes_and_variants_run(model, tmp_path, more):
    assert (
        call(
            given(
                model,
                tmp_path,
                *more,
                "--rank",
                "1",
                "--task-options",
                "new_tokens",
                "4",
                "beams",
                "2",
            )
        )
        == 0
    )
    result, _ = results(tmp_path)
    assert result["metrics"]["perplexity"] < 0.8 * result["before"]["perplexity"]


# of PEFT's, about transformers
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_stock_peft_writes_and_tells_what_the_run_did(model, tmp_path):
    import peft
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    assert (
        call(given(model, tmp_path, "--scheme", "pissa", "--task-options", "new_tokens", "4")) == 0
    )
    _, rows = results(tmp_path)
    base, tokenizer = (
        AutoModelForSeq2SeqLM.from_pretrained(model),
        AutoTokenizer.from_pretrained(model),
    )
    stock = peft.PeftModel.from_pretrained(base, str(tmp_path / "run" / "adapter")).eval()
    for row, record in zip(
        rows, map(json.loads, (tmp_path / "test.jsonl").read_text().splitlines()), strict=True
    ):
        tokens = tokenizer(record["text"], text_target=record["summary"], return_tensors="pt")
        with torch.no_grad():
            loss = stock(**tokens).loss * tokens["labels"].numel()
            tokens.pop("labels")
            written = stock.generate(**tokens, max_new_tokens=4, num_beams=1)[0]
        assert tokenizer.decode(written, skip_special_tokens=True).strip() == row["written"]
        # 200 roundings of float32 on the way to a sum of three losses
        assert row["loss"] == pytest.approx(loss.item(), rel=200 * torch.finfo(torch.float32).eps)


def test_a_killed_run_resumes_to_the_same_bits(model, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    assert call(given(model, whole, steps=8)) == 0
    killed = given(model, cut, steps=8)
    kill_at(6, killed)
    assert call([*killed, "--resume"]) == 0
    assert ending(cut / "run") == ending(whole / "run")


WRONG = {
    "columns": (("--columns", "text"), "columns must be text summary, got 1"),
    "no such column": (
        ("--columns", "text", "title"),
        "has no column 'title'; it has 'text', 'summary'",
    ),
    "too long": (
        ("--length", "17"),
        "length must be at most the 16 tokens that the model reads, got 17",
    ),
    "beams": (("--task-options", "beams", "0"), "beams must be a whole number, at least 1, got 0"),
    "new tokens": (
        ("--task-options", "new_tokens", "1.5"),
        "new_tokens must be a whole number, at least 1",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_sentence(model, tmp_path, capsys, case):
    more, expected = WRONG[case]
    assert call(given(model, tmp_path, *more)) == 2
    assert expected in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_spans_are_hidden_in_the_share_and_lengths_that_are_said():
    import numpy as np

    ids, mask = list(range(10, 10_010)), 2
    seen = bart.hidden(ids, mask, np.random.default_rng(0))
    assert seen[-1] == ids[-1], "the end stays"
    left = [token for token in seen if token != mask]
    assert left == sorted(left), "and so does the order"
    spans = len(seen) - len(left)
    # About 1000 spans of a Poisson length of mean 3: its deviation of 1.7 makes one of 55 in the
    # 3000 hidden tokens, and the number of spans another of at most 3 * 32. Three deviations of the
    # sum.
    assert len(ids) - len(left) == pytest.approx(3000, abs=3 * 110)
    assert spans == pytest.approx(1000, abs=3 * 32)


def test_the_model_that_is_made_here_reads_and_writes(tmp_path, monkeypatch):
    text = "\n".join(
        f"Return the {i}th element of the list, or {i + 1} where there is none." for i in range(400)
    )
    monkeypatch.setattr(bart, "standard_library", lambda: [text])
    with torch.random.fork_rng(devices=[]):
        bart.make(tmp_path, ((16, 3, 3e-3), (24, 3, 3e-3)))
    config = Config.of(task="seq2seq_lm", model=str(tmp_path))
    data = Data([], [], {"columns": ("text", "summary"), "words": 1})
    loaded = seq2seq_lm.load(config, data)
    assert loaded.fresh == ()
    odd = "Naïve  text\tof 2 lines."  # not in what it was made of
    ids = loaded.processor(odd)["input_ids"]
    assert ids[-1] == loaded.processor.eos_token_id
    assert loaded.processor.decode(ids, skip_special_tokens=True) == odd
    records = [{"text": line, "summary": line} for line in text.splitlines()[:4]]
    inputs = seq2seq_lm.examples(config, loaded, data, records)
    with torch.no_grad():
        rows = seq2seq_lm.predict(config, loaded, data, records, inputs, 4)
    # Better than a guess among all entries
    assert seq2seq_lm.metrics(rows, data)["perplexity"] < 0.95 * len(loaded.processor)
