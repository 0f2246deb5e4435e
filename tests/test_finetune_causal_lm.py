"""The task causal_lm: what is learnt of a record, and a run from end to end."""

import json
import math
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

from scaling.config import Config
from scaling.task import Data, Loaded
from scaling.tasks import causal_lm
from tests.finetuning import call
from tests.models import llama

WORDS = ("what", "is", "one", "two", "plus", "####", "1", "2", "3", "\n")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("model")
    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(("<unk>", "<end>", *WORDS))}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[attr-defined]
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>", unk_token="<unk>").save_pretrained(folder)
    llama().save_pretrained(folder)
    return folder


def rows(count: int) -> str:
    pairs = [("what is one plus one", "#### 2"), ("what is one plus two", "#### 3")]
    return "".join(json.dumps({"prompt": p, "answer": a}) + "\n" for p, a in (pairs[i % 2] for i in range(count)))


def test_the_final_number_is_the_last_and_without_separators():
    assert causal_lm.final("so 3 #### 1 no #### 1,234") == "1234"
    assert causal_lm.final("-2") is None
    assert causal_lm.final("#### -2.5") == "-2.5"


def test_only_the_answer_is_learnt(model):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    data = Data([], [], {"columns": ("prompt", "answer"), "numbered": True})
    record = {"prompt": "what is one", "answer": "#### 1"}
    [example] = causal_lm.examples(Config(), Loaded(torch.nn.Identity(), tokenizer, ()), data, [record])
    assert tokenizer.decode(example["input_ids"]).split() == ["what", "is", "one", "####", "1", "<end>"]
    assert example["labels"] == [-100] * 3 + example["input_ids"][3:]


def test_a_run_learns_to_answer(model, tmp_path):
    for name, count in (("train", 32), ("test", 4)):
        (tmp_path / f"{name}.jsonl").write_text(rows(count))
    given = {"task": "causal_lm", "model": model, "train": tmp_path / "train.jsonl", "test": tmp_path / "test.jsonl"}
    given |= {
        "out": tmp_path / "run",
        "store": tmp_path / "s.sqlite",
        "steps": 30,
        "batch": 8,
        "lr": 0.02,
        "length": 12,
    }
    assert call([part for name, value in given.items() for part in (f"--{name}", str(value))]) == 0
    result = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert result["metrics"]["exact_match"] == 1.0
    assert result["before"]["exact_match"] == 0.0
    # The two records are the training data's. The frozen random head keeps the loss above 3; the last steps, whose
    # learning rate is nearly zero, move it by 0.03 each.
    assert math.log(result["metrics"]["perplexity"]) == pytest.approx(result["final_loss"], abs=0.06)
