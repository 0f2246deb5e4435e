"""The task multiple_choice: what counts as a choice and an answer, likelihoods, and a run."""

import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

from scaling.core.config import Config
from scaling.core.task import Data, Loaded
from scaling.data import functions, prompts
from scaling.tasks import multiple_choice
from tests.support.finetuning import call, tiny_llama
from tests.support.models import llama

WORDS = ("what", "is", "one", "two", "three", "plus", "\n")
COLUMNS = ("prompt", "choices", "answer")
CHOICES = ["two", "three one two", "one"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("model"), WORDS)


@pytest.mark.parametrize(
    ("choices", "answer", "number"),
    [
        (CHOICES, 1, 1),
        (CHOICES, "one", 2),
        (CHOICES, "B", 1),
        (["no", "yes"], True, 1),
        ({"text": CHOICES, "label": ["1", "2", "3"]}, "2", 1),
        ({"text": CHOICES, "label": ["A", "B", "C"]}, "C", 2),
        (["B", "A"], "A", 1),
        ({"text": ["2", "3"], "label": ["1", "2"]}, "2", 1),  # ARC's answers are labels
    ],
)
def test_an_answer_is_a_number_a_text_a_label_or_a_letter(choices, answer, number):
    record = {"prompt": "p", "choices": choices, "answer": answer}
    assert multiple_choice.question(record, COLUMNS, "here")["answer"] == number


@pytest.mark.parametrize(
    ("choices", "answer", "sentence"),
    [
        (["two"], 0, "at least two different texts in 'choices'"),
        (["two", "two "], 0, "at least two different texts in 'choices'"),
        ("two", 0, "at least two different texts in 'choices'"),
        (["two", ""], 0, "at least two different texts in 'choices'"),
        (CHOICES, 3, "has the answer 3 in 'answer', which is none of its 3 choices"),
        (CHOICES, -1, "has the answer -1 in 'answer', which is none of its 3 choices"),
        (CHOICES, "D", "has the answer 'D' in 'answer', which is none of its 3 choices"),
    ],
)
def test_a_bad_record_is_one_sentence(choices, answer, sentence):
    record = {"prompt": "p", "choices": choices, "answer": answer}
    with pytest.raises(ValueError, match=f"^here .*{sentence}"):
        multiple_choice.question(record, COLUMNS, "here")


def test_likelihoods_are_those_of_each_choice_after_the_prompt(model):
    from transformers import AutoTokenizer

    loaded = Loaded(llama(), AutoTokenizer.from_pretrained(model), ())
    record = {"prompt": "what is one", "choices": CHOICES, "answer": 0}
    with torch.no_grad():
        [row] = multiple_choice.predict(Config.of(), loaded, Data([], [], {}), [record], [], 2)
        expected = []
        for choice in CHOICES:
            read, said = prompts.tokens(loaded.processor, "what is one", choice)
            logits = loaded.model(torch.tensor([[*read, *said]])).logits[0, len(read) - 1 : -1]
            expected.append(logits.log_softmax(1)[range(len(said)), said].sum().item())
    # 200 roundings of float32 on the way
    assert row["log_likelihoods"] == pytest.approx(expected, rel=200 * 2**-23)
    assert row["prediction"] == max(range(3), key=lambda i: expected[i])
    assert row["per_byte"] == max(range(3), key=lambda i: expected[i] / len(CHOICES[i]))
    assert row["per_byte"] != row["prediction"], "or the test would not tell them apart"
    assert row["loss"] == pytest.approx(-expected[0], rel=200 * 2**-23)


def test_a_likelihood_per_byte_counts_the_bytes_of_utf_8(model, monkeypatch):
    from transformers import AutoTokenizer

    loaded = Loaded(llama(), AutoTokenizer.from_pretrained(model), ())
    record = {"prompt": "what is one", "choices": ["äöü", "aeiou"], "answer": 1}
    found = [{"loss": 3.0, "tokens": 1}, {"loss": 4.0, "tokens": 2}]
    monkeypatch.setattr(multiple_choice, "text_losses", lambda *_, **__: found)
    [row] = multiple_choice.predict(Config.of(), loaded, Data([], [], {}), [record], [], 2)
    assert row["per_byte"] == 0, "3 nats of 6 bytes; of 3 letters it would be 1 against 0.8"


def test_the_loss_is_of_a_token_and_the_score_is_the_first_metric():
    rows = [
        {"prediction": 0, "per_byte": 1, "answer": 0, "loss": 6.0, "tokens": 2, "choices": "ab"},
        {"prediction": 1, "per_byte": 1, "answer": 0, "loss": 2.0, "tokens": 6, "choices": "abcd"},
    ]
    found = multiple_choice.metrics(rows, Data([], [], {}))
    expected = {"accuracy": 0.5, "accuracy_per_byte": 0, "loss": 1, "chance": (1 / 2 + 1 / 4) / 2}
    assert found == expected
    assert [multiple_choice.score(row) for row in rows] == [1, 0]


def test_a_run_learns_to_choose(model, tmp_path, capsys):
    rows = [
        {"prompt": "what is one plus one", "choices": ["two", "three"], "answer": "B"},
        {"prompt": "what is one plus two", "choices": ["two", "three"], "answer": 0},
    ]
    file = tmp_path / "some.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows * 4))
    named = {"task": "multiple_choice", "model": model, "train": file, "test": file, "lr": 0.02}
    named |= {"out": tmp_path / "run", "store": tmp_path / "s", "steps": 40, "batch": 8}
    assert call([part for n, v in named.items() for part in (f"--{n}", str(v))]) == 0
    result = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert result["metrics"]["accuracy"] == 1
    assert result["metrics"]["loss"] < 0.9 * result["before"]["loss"]
    assert result["before"]["chance"] == 0.5
    assert "accuracy 1" in capsys.readouterr().out


def test_the_default_questions_have_one_right_sentence_of_four(monkeypatch):
    records = [
        {"prompt": f"def f{i}", "answer": f"Do {i}.", "package": "ab"[i % 2]} for i in range(12)
    ]
    monkeypatch.setattr(functions, "functions", lambda *_: (records, records[:2]))
    train, test = functions.questions(6, 2, 0)
    assert test == [], "two sentences are too few to choose from"
    for record, made in zip(records, train, strict=True):
        assert made["choices"][made["answer"]] == record["answer"]
        assert len(set(made["choices"])) == 4
        parity = {int(choice[3:-1]) % 2 for choice in made["choices"]}
        assert len(parity) == 1, "all of one package"
    assert len({made["answer"] for made in train}) > 1
