"""`loralab finetune --streaming`: a killed run resumes to the same bits, two processes train as one
does, and what is wrong with the data is one sentence."""

import json
from itertools import islice
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from scaling.core.batches import dealt
from scaling.core.config import Config
from scaling.data.packing import packed
from scaling.training.job import Job
from scaling.training.preparation import prepare
from scaling.training.trainer import AdapterTrainer
from tests.support.finetuning import call, chat_llama
from tests.support.killing import ending, kill_at
from tests.support.processes import together

WORDS = ("what", "is", "one", "two", "three", "user", "assistant", ":", "\n")
NUMBERS = WORDS[2:5]
COUNT, HELD = 50, 8  # an epoch of 42 records is 5 steps and a quarter


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return chat_llama(tmp_path_factory.mktemp("model"), WORDS)


def record(kind: str, i: int) -> dict:
    asked, said = f"what is {' '.join(NUMBERS[: i % 3 + 1])}", NUMBERS[i % 3]
    if kind == "answer":
        return {"prompt": asked, "answer": said}
    if kind == "text":
        return {"text": f"{asked} " * (i % 4 + 1)}
    turns = (("user", asked), ("assistant", said)) * (i % 2 + 1)
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


def lines(kind: str, count: int = COUNT) -> list[str]:
    return [json.dumps(record(kind, i)) for i in range(count)]


def given(model: Path, folder: Path, kind: str, *more: str, steps: int = 12) -> list[str]:
    folder.mkdir(exist_ok=True)
    (folder / "some.jsonl").write_text("\n".join(lines(kind)))
    named = {"task": "causal_lm", "model": model, "train": folder / "some.jsonl", "limit": HELD}
    named |= {"out": folder / "run", "store": folder / "s.sqlite", "steps": steps, "batch": 8}
    named |= {"lr": 0.02, "length": 24, "save-every": 4, "remember": "none", "shuffle-buffer": 10}
    words = [part for name, value in named.items() for part in (f"--{name}", str(value))]
    return [*words, "--streaming", *more]


def prepared(model: Path, folder: Path, kind: str, buffer: int, **options: bool) -> Job:
    file = folder / "some.jsonl"
    file.write_text("\n".join(lines(kind)))
    settings = {"train": str(file), "streaming": True, "shuffle_buffer": buffer, "limit": HELD}
    settings |= {"batch": 6, "length": 24, "task_options": options}
    return prepare(Config.of(task="causal_lm", model=str(model), **settings))


def result_of(folder: Path) -> dict:
    return json.loads((folder / "run" / "metrics.json").read_text())


PACKED = ("--task-options", "packing", "true", "samples", "2", "--micro-batch", "4")


@pytest.mark.parametrize(
    ("kind", "more", "steps"),
    [
        ("answer", ("--dropout", "0.1"), (7,)),  # in the second epoch, of a step that is saved
        ("text", ("--micro-batch", "2", "--dropout", "0.1"), (2, 9)),
        ("messages", (*PACKED, "--scheme", "eva"), (6,)),
    ],
)
def test_a_killed_streamed_run_resumes_to_the_same_bits(model, tmp_path, kind, more, steps):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert call(given(model, whole, kind, *more)) == 0
    arguments, resume = given(model, cut, kind, *more), ()
    for step in steps:
        kill_at(step, [*arguments, *resume])
        resume = ("--resume",)
    assert call([*arguments, "--resume"]) == 0
    assert ending(cut / "run") == ending(whole / "run")


def test_packed_batches_of_a_stream_are_those_of_its_order(model, tmp_path):
    """With a buffer of one record, which is the order of the file."""
    job = prepared(model, tmp_path, "messages", buffer=1, packing=True)
    assert job.stream is not None
    whole = job.task.examples(job.config, job.loaded, job.data, job.data.train)
    streamed = [*job.stream.epoch()]
    assert streamed == whole
    assert len(whole) == COUNT - HELD
    batch, pad = job.task.collate(job.loaded)(streamed[:8]), job.loaded.processor.pad_token_id
    assert all(batch[name].equal(value) for name, value in packed(whole[:8], pad).items())
    assert len(batch["input_ids"]) < 8


def test_packed_batches_of_a_stream_give_the_run_of_padded_ones(model, tmp_path):
    found = {}
    for packing in ("true", "false"):
        options = ("--task-options", "packing", packing, "samples", "0", "--micro-batch", "4")
        assert call(given(model, tmp_path / packing, "messages", *options, steps=8)) == 0
        found[packing] = [loss for _, loss in result_of(tmp_path / packing)["losses"]]
    # eight steps of Adam make of a rounding what 1e-3 of a loss holds at most
    assert found["true"] == pytest.approx(found["false"], rel=1e-3)
    assert found["true"][0] == pytest.approx(found["false"][0], rel=1e-5)


def test_memory_that_runs_out_changes_no_example(model, tmp_path, monkeypatch):
    assert call(given(model, tmp_path / "whole", "answer", "--micro-batch", "4")) == 0
    step, tried = AdapterTrainer.training_step, []

    def short(self, model, inputs, *rest):
        if len(inputs["input_ids"]) > 4 and self.state.global_step >= 6:
            tried.append(self.state.global_step)
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return step(self, model, inputs, *rest)

    import torch

    monkeypatch.setattr(AdapterTrainer, "training_step", short)
    assert call(given(model, tmp_path / "cut", "answer")) == 0
    assert tried == [6]
    found, expected = (result_of(tmp_path / name)["losses"] for name in ("cut", "whole"))
    # the micro-batches of the first four steps are summed otherwise
    assert [loss for _, loss in found] == pytest.approx([loss for _, loss in expected], rel=1e-4)


def test_two_processes_train_on_the_stream_of_one(model, tmp_path):
    more = ("--micro-batch", "4", "--validate-every", "6")
    names = ("alone", "pair")
    alone, pair = (given(model, tmp_path / name, "answer", *more, steps=6) for name in names)
    assert call(alone) == 0
    assert together(2, tmp_path, lambda rank: call(pair)) == [0, 0]
    found, expected = (result_of(tmp_path / name) for name in reversed(names))
    for curve in ("losses", "validation"):
        # as in test_processes: roundings, which Adam can raise
        assert [x for _, x in found[curve]] == pytest.approx(
            [x for _, x in expected[curve]], rel=1e-4
        )
    assert found["examples"] == expected["examples"] == HELD


@pytest.mark.parametrize("of", [1, 2, 3])
def test_an_initialization_sees_the_beginning_of_the_stream_on_all_processes(model, tmp_path, of):
    job = prepared(model, tmp_path, "answer", buffer=10)
    assert job.stream is not None
    expected = [
        one["input_ids"] for one in islice(job.stream.alone().epoch(), 42 // of // 4 * of * 4)
    ]
    found = {}
    for process in range(of):
        collate = job.task.collate(job.loaded)
        made = dealt(job.loaded, job.stream.alone().epoch(), 4, collate, process, of)
        for number, batch in enumerate(made):
            found[number * of + process] = batch
    ids = [row[row != 0].tolist() for number in sorted(found) for row in found[number]["input_ids"]]
    assert ids == expected


def test_the_first_records_are_looked_at_before_training(model, tmp_path, capsys):
    arguments = given(model, tmp_path / "cut", "answer")
    file, sound = tmp_path / "cut" / "some.jsonl", lines("answer")
    file.write_text("\n".join([*sound[:45], '{"prompt": "what is one"}', *sound[46:]]))
    assert call(arguments) == 2
    assert not (tmp_path / "cut" / "run").exists()
    said = f"line 46 of {file} has no column 'answer'; it has 'prompt'; --columns names the columns"
    assert capsys.readouterr().err.splitlines()[-1] == f"error: {said}"


def test_a_later_line_stops_the_run_when_it_is_reached_which_goes_on_when_it_is_mended(
    model, tmp_path, capsys
):
    arguments = given(model, tmp_path / "cut", "answer", "--micro-batch", "8", steps=50)
    file, sound = tmp_path / "cut" / "some.jsonl", lines("answer", 400)
    file.write_text("\n".join([*sound[:350], sound[350][:-9], *sound[351:]]))
    assert call(arguments) == 1
    error = capsys.readouterr().err.rpartition("error: ")[2]  # the bar may stand before it
    assert error.startswith(f"training failed: line 351 of {file} is not JSON: ")
    [checkpoint] = (tmp_path / "cut" / "run").glob("checkpoint-*")
    assert checkpoint.name in ("checkpoint-40", "checkpoint-44")
    file.write_text("\n".join(sound))
    assert call([*arguments, "--resume"]) == 0
    whole = given(model, tmp_path / "whole", "answer", "--micro-batch", "8", steps=50)
    (tmp_path / "whole" / "some.jsonl").write_text("\n".join(sound))
    assert call(whole) == 0
    assert ending(tmp_path / "cut" / "run") == ending(tmp_path / "whole" / "run")


WRONG = {
    "train": (["--streaming"], "streaming needs training data: pass train too"),
    "hold": (["--streaming", "--train", "a", "--hold-out", "b", "c"], "streaming reads no record"),
    "buffer": (["--train", "a", "--shuffle-buffer", "5"], "shuffle_buffer is of streaming: set st"),
    "none": (["--streaming", "--train", "a", "--shuffle-buffer", "0"], "must be at least 1, got 0"),
    "task": (["--task", "seq2seq_lm", "--streaming", "--train", "a"], "streaming is for causal_lm"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_settings_of_a_stream_are_one_sentence(tmp_path, capsys, case):
    words, sentence = WRONG[case]
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "red", "summary": "one", "label": "one"}')
    words = [str(file) if word == "a" else word for word in words]
    assert call([*words, "--out", str(tmp_path / "run")]) == 2
    assert sentence in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_a_file_that_would_be_held_out_whole_is_one_sentence(model, tmp_path, capsys):
    arguments = given(model, tmp_path / "few", "answer", "--validate-every", "6", "--limit", "30")
    assert call(arguments) == 2
    said = f"{tmp_path / 'few' / 'some.jsonl'} has 50 records, and streaming holds out the first "
    assert f"error: {said}60, 30 of them" in capsys.readouterr().err.splitlines()[-1]


def test_test_data_of_their_own_leave_all_records_to_train_on(model, tmp_path):
    file, test = tmp_path / "some.jsonl", tmp_path / "test.jsonl"
    for name, count in ((file, 30), (test, 5)):
        name.write_text("\n".join(lines("text", count)))
    config = Config.of(
        task="causal_lm", model=str(model), train=str(file), test=str(test), streaming=True, limit=3
    )
    job = prepare(config)
    assert job.data.test == [record("text", i) for i in range(3)]
    assert job.stream is not None
    assert job.stream.skip == 0
    assert job.data.train == [record("text", i) for i in range(30)]


def test_a_stream_is_set_in_a_file_too(model, tmp_path, capsys):
    given(model, tmp_path, "answer")
    (tmp_path / "run.yaml").write_text(
        f"task: causal_lm\nmodel: {model}\ntrain: {tmp_path / 'some.jsonl'}\nlimit: {HELD}\n"
        "streaming: true\nshuffle_buffer: 10\nsteps: 8\nbatch: 8\nlr: 0.02\nlength: 24\n"
        "remember: none\n"
    )
    out = ["--out", str(tmp_path / "run"), "--store", str(tmp_path / "s.sqlite")]
    assert call([str(tmp_path / "run.yaml"), *out]) == 0
    assert "all 42 records of " in capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["shuffle_buffer"] == 10
