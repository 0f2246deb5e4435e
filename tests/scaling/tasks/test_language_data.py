"""The data that the task causal_lm takes: conversations, packed batches, and its own functions."""

import json
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from scaling.core.config import Config
from scaling.core.task import Loaded
from scaling.models import packaged
from scaling.tasks import configured, find
from tests.support.finetuning import call, chat_llama, tiny_llama
from tests.support.models import llama

WORDS = ("what", "is", "one", "two", "three", "user", "assistant", ":", "\n")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return chat_llama(tmp_path_factory.mktemp("model"), WORDS)


def talk(*texts: str) -> dict:
    roles = ("user", "assistant") * len(texts)
    return {"messages": [{"role": r, "content": t} for r, t in zip(roles, texts, strict=False)]}


TALKS = [
    talk("what is one", "two", "what is two", "three"),
    talk("what is two", "three"),
    talk("what is two", "three", "what is one", "two", "one", "two"),
    talk("what is one", "two"),
]


def given(model: Path, folder: Path, *more: str, steps: int = 30) -> list[str]:
    for name in ("train", "test"):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in TALKS))
    named = {"task": "causal_lm", "model": model, "out": folder / "run"}
    named |= {name: folder / f"{name}.jsonl" for name in ("train", "test")}
    named |= {"store": folder / "s.sqlite", "steps": steps, "batch": 4, "lr": 0.02, "length": 40}
    return [*(part for name, value in named.items() for part in (f"--{name}", str(value))), *more]


def result_of(folder: Path) -> dict:
    return json.loads((folder / "run" / "metrics.json").read_text())


def test_conversations_are_learnt_and_shown_side_by_side(model, tmp_path, capsys):
    assert call(given(model, tmp_path, "--task-options", "new_tokens", "4", "samples", "3")) == 0
    result = result_of(tmp_path)
    before, after = result["before"], result["metrics"]
    assert before["exact_match"] == 0
    assert after["exact_match"] == after["rougeL"] == 1.0
    # the frozen random head keeps the loss above 3
    assert after["bits_per_byte"] < 0.95 * before["bits_per_byte"]
    # "two" is as frequent as "three" in the last answers, and comes second
    assert after["baseline_exact_match"] == before["baseline_exact_match"] == pytest.approx(2 / 3)
    assert [one["wanted"] for one in result["samples"]] == ["three", "three", "two"]
    assert [one["after"] for one in result["samples"]] == ["three", "three", "two"]
    assert result["samples"][0]["prompt"] == "user: what is one\nassistant: two\nuser: what is two"
    rows = [
        json.loads(x) for x in (tmp_path / "run" / "predictions.jsonl").read_text().split("\n")[:-1]
    ]
    assert [row.get("written") for row in rows] == ["three", "three", "two", None]
    assert [row["tokens"] for row in rows] == [4, 2, 6, 2], "two of each answer"
    assert [row["bytes"] for row in rows] == [len("two three"), 5, len("three two two"), 3]
    page = (tmp_path / "run" / "report.md").read_text()
    assert page.startswith(f"# causal_lm: {model}\n")
    assert page.count("\n### ") == 3
    assert "before:" in page
    [line] = (line for line in page.splitlines() if line.startswith("|rougeL|"))
    scores = (result["before"], result["metrics"])
    told = [*(each["rougeL"] for each in scores), result["metrics"]["baseline_rougeL"]]
    assert [float(cell) for cell in line.split("|")[2:-1]] == pytest.approx(told, abs=5e-4)
    assert f"|base text, bits a byte|{result['base_text']['before']:.5g}|" in page
    assert capsys.readouterr().out.count("  wanted: ") == 3


def test_packed_batches_give_the_run_of_padded_ones(model, tmp_path):
    found = {}
    for packing in ("true", "false"):
        (folder := tmp_path / packing).mkdir()
        options = ("--task-options", "packing", packing, "samples", "0", "--micro-batch", "2")
        arguments = given(model, folder, *options, "--validate-every", "3", steps=6)
        (folder / "train.jsonl").write_text((folder / "train.jsonl").read_text() * 3)
        assert call(arguments) == 0
        found[packing] = result_of(folder)
    for name in ("losses", "validation"):
        packed, padded = (found[packing][name] for packing in ("true", "false"))
        assert [step for step, _ in packed] == [step for step, _ in padded]
        # six steps of Adam make of a rounding what 1e-3 of a loss holds at most; the first has none
        assert [loss for _, loss in packed] == pytest.approx([x for _, x in padded], rel=1e-3)
    assert found["true"]["losses"][0][1] == pytest.approx(found["false"]["losses"][0][1], rel=1e-5)
    assert found["true"]["before"] == found["false"]["before"]


WRONG = {
    "text": (("--columns", "text", "--task-options", "packing", "true"), "texts fill their rows"),
    "no": (("--task-options", "packing", "1"), "packing must be true or false, got 1"),
    "samples": (("--task-options", "samples", "-1"), "samples must be a whole number, at least 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_option_is_one_sentence(model, tmp_path, capsys, case):
    more, sentence = WRONG[case]
    arguments = given(model, tmp_path, *more)
    if case == "text":
        for name in ("train", "test"):
            (tmp_path / f"{name}.jsonl").write_text('{"text": "one two"}\n' * 3)
    assert call(arguments) == 2
    assert sentence in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_messages_need_a_chat_template(tmp_path, capsys):
    tiny_llama(tmp_path, WORDS)
    assert call(given(tmp_path, tmp_path)) == 2
    sentence = f"error: the tokenizer of {tmp_path} has no chat template, which messages need: "
    assert capsys.readouterr().err.splitlines()[-1].startswith(sentence)
    assert not (tmp_path / "run").exists()


def test_a_wrong_message_is_found_by_its_line(model, tmp_path, capsys):
    arguments = given(model, tmp_path)
    with (tmp_path / "train.jsonl").open("a") as file:
        file.write(json.dumps({"messages": [{"role": "tool", "content": "one"}]}) + "\n")
    assert call(arguments) == 2
    said = f"line 5 of {tmp_path / 'train.jsonl'}, message 1 of 'messages' has the role 'tool'"
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_the_default_run_has_settings_of_its_own_and_a_given_one_wins():
    own = configured(None, {"task": "causal_lm"})
    assert (own.training.steps, own.training.batch, own.data.length) == (48, 4, 192)
    options = {"samples": 3}
    mine = configured(None, {"task": "causal_lm", "steps": 7, "task_options": options})
    assert (mine.training.steps, mine.training.batch) == (7, 4)
    assert mine.data.task_options == {"new_tokens": 32, "samples": 3}
    for other in ({"model": "gpt"}, {"train": "some.jsonl"}):
        assert configured(None, {"task": "causal_lm"} | other) == Config.of(
            task="causal_lm", **other
        )
    assert configured(None, {}) == Config.of()
    assert configured(Config.of(rank=3), {"task": "causal_lm"}) == Config.of(
        rank=3, task="causal_lm"
    )


def test_without_smollm2_the_default_is_one_sentence(monkeypatch, tmp_path, capsys):
    package = packaged.MODELS["smollm2"].package
    assert package is not None
    gone = packaged.MODELS["smollm2"]._replace(package=package._replace(module="not_there"))
    monkeypatch.setitem(packaged.MODELS, "smollm2", gone)
    assert call(["--task", "causal_lm", "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == (
        "error: the model smollm2 is not installed: loralab models get smollm2; or take the small "
        "one that is made here: --model gpt"
    )


def test_the_functions_are_the_default_data_and_the_name_is_the_guess(monkeypatch):
    task, record = find("causal_lm"), {"prompt": "def f", "answer": "Do it.", "name": "do_it"}
    monkeypatch.setattr("scaling.tasks.causal_lm.functions", lambda *_: ([record], [record]))
    data = task.data(Config.of(task="causal_lm", model="other"))
    assert data.facts["named"]
    assert data.facts["columns"] == ("prompt", "answer")


def test_the_guess_is_the_name_of_a_function_or_the_training_data_s_most_frequent_answer(
    model, tmp_path, monkeypatch
):
    from transformers import AutoTokenizer

    for name, answers in (("train", ("one", "two", "two")), ("test", ("one", "three", "three"))):
        lines = [json.dumps({"prompt": "what", "answer": answer}) + "\n" for answer in answers]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    named = {name: str(tmp_path / f"{name}.jsonl") for name in ("train", "test")}
    task, config = find("causal_lm"), Config.of(task="causal_lm", model=str(model), **named)
    data = task.data(config)
    assert data.facts["guess"] == "two"
    loaded = Loaded(llama(), AutoTokenizer.from_pretrained(model), ())
    monkeypatch.setattr("scaling.tasks.causal_lm.written", lambda _, prompts, *__: [""] * 3)
    test = [record | {"name": "do_it"} for record in data.test]
    data = data._replace(test=test)
    for more, guess in (({}, "two"), ({"named": True}, "Do it.")):
        given = data._replace(facts=data.facts | more)
        inputs = task.examples(config, loaded, given, test)
        rows = task.predict(config, loaded, given, test, inputs, 2)
        assert [row["baseline"] for row in rows] == [guess] * 3
