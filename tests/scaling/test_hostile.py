"""The commands on hostile input, a full disk and too little memory: one sentence, and nothing is
left half-done."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

import scaling.training.running as running
from loralab.code import ROOT
from scaling import advise, init, sweep
from tests.support.finetuning import arguments, call, tiny_bert, without_store


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model"), dropout=0.0)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path / "home"))


def said(capsys) -> str:
    error = capsys.readouterr().err
    assert error.startswith("error: "), error
    assert error.count("\n") == 1, error
    assert "Errno" not in error
    return error


@pytest.mark.parametrize("content", ["[]", "{}", "3", "{", "", "\0\1", '{"model_type": 3}'])
def test_a_model_s_damaged_configuration(model, tmp_path, capsys, content):
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in model.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "config.json").write_text(content)
    assert call(arguments(broken, tmp_path)) == 2
    assert f"cannot load the model {broken}: " in said(capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("keep", [0, 5, 200, 3000])
def test_a_model_s_weights_that_are_cut_off(model, tmp_path, capsys, keep):
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in model.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    assert call(arguments(broken, tmp_path)) == 2
    assert f"cannot load the model {broken}: " in said(capsys)


def test_a_model_that_is_nowhere(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert call(arguments(Path("nosuch/model"), tmp_path)) == 2
    assert said(capsys) == (
        "error: cannot load the model nosuch/model: there is no such folder, and it is not on the "
        "hub or it is unreachable\n"
    )


@pytest.mark.parametrize("command", [call, init.run, advise.run, sweep.run])
@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--rank", "many"), "--rank must be a whole number, got 'many'"),
        (("--rank-pattern", "a"), "--rank-pattern must be pairs of a name and a whole number"),
        (("--trian", "x"), "unknown flag --trian; did you mean --train?"),
    ],
)
def test_a_flag_of_a_wrong_type(tmp_path, capsys, command, flags, sentence):
    assert command([*flags, "--out", str(tmp_path / "out")]) == 2
    assert sentence in said(capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("flags", [("--rank", "x"), ("--lr", "-1"), ("--scheme", "pizza")])
def test_a_wrong_flag_is_found_before_transformers_is_loaded(flags):
    code = (
        "import sys; from scaling.finetune import run; code = run(sys.argv[1:]);"
        "print(code, 'transformers' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *flags],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "2 False\n"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"rank_pattern": 3}, "rank_pattern must be pairs of a name and a whole number, got 3"),
        ({"rank_pattern": {"a": "b"}}, "rank_pattern must be pairs of a name and a whole number"),
        ({"steps": "many"}, "steps must be a whole number, got 'many'"),
        ({"steps": True}, "steps must be a whole number, got True"),
        ({"task_options": 3}, "task_options must be pairs"),
        ({"columns": 5}, "columns must be texts, got 5"),
        ({"precision": "double"}, "precision must be one of auto, float32, bfloat16, float16"),
        ({"seed": 2**32}, "seed must be less than 2^32"),
    ],
    ids=str,
)
def test_a_setting_of_a_wrong_type_in_python(settings, sentence):
    import loralab

    with pytest.raises(ValueError, match=sentence.replace("^", r"\^")):
        loralab.finetune(**settings)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("rank_pattern: 3", "rank_pattern must be pairs of a name and a whole number, got 3"),
        ("methods: {X: {rank_pattern: 3}}", "method 'X': rank_pattern must be pairs of a name"),
        ("steps: [1, 2]", "steps must be a whole number, got [1, 2]"),
        (f"seeds: [0, {2**33}]", "seed must be less than 2^32"),
        ("jobs: 0", "jobs must be at least 1, got 0"),
    ],
)
def test_a_wrong_value_in_the_file_of_a_sweep(tmp_path, capsys, content, sentence):
    (tmp_path / "sweep.yaml").write_text(content)
    assert sweep.run([str(tmp_path / "sweep.yaml"), "--out", str(tmp_path / "out")]) == 2
    assert sentence in said(capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("setting", ["steps: [3, 4]", "steps: few", "rates: [low]"])
def test_a_wrong_value_in_the_file_of_a_sweep_is_found_behind_a_right_one(
    tmp_path, capsys, setting
):
    (tmp_path / "sweep.yaml").write_text(setting)
    right = ("--steps", "4", "--rates", "1e-3", "--out", str(tmp_path / "out"))
    assert sweep.run([str(tmp_path / "sweep.yaml"), *right]) == 2
    assert f"sweep.yaml: {setting.split(':')[0]} must be" in said(capsys)
    assert not (tmp_path / "out").exists()


def test_a_sweep_that_fails_on_its_data_does_not_occupy_its_folder(model, tmp_path, capsys):
    given = without_store("out", model, tmp_path, "--steps", "2")
    del given[given.index("--lr") : given.index("--lr") + 2]
    given += ["--schemes", "init_a", "--rates", "0.01", "--seeds", "0", "--widen", "0"]
    given += ["--jobs", "1", "--store", str(tmp_path / "store.sqlite")]
    good = (tmp_path / "train.jsonl").read_text()
    (tmp_path / "train.jsonl").write_text(good + '{"text": "red"}\n')
    assert sweep.run(given) == 2
    _, error = capsys.readouterr().err.splitlines()  # below what the sweep is going to run
    assert error.startswith(f"error: line 65 of {tmp_path}/train.jsonl has no column 'label'")
    assert not (tmp_path / "out").exists()
    (tmp_path / "train.jsonl").write_text(good)
    assert sweep.run([*given, "--rank", "2"]) == 0, "the folder is free for another sweep"
    capsys.readouterr()
    (tmp_path / "out" / "sweep.json").write_text("[")
    assert sweep.run(given) == 2
    assert "sweep.json is damaged; remove it or choose another --out" in said(capsys)


def test_one_record_in_a_text_file_says_what_a_record_is(tmp_path, capsys):
    (tmp_path / "text.txt").write_text("what is one plus one\n")
    given = [
        "--task",
        "causal_lm",
        "--model",
        "gpt",
        "--train",
        str(tmp_path / "text.txt"),
        "--limit",
        "2",
    ]
    assert call([*given, "--out", str(tmp_path / "run"), "--steps", "1"]) == 2
    assert "text.txt has one record (a .txt file has one a line), and none can be" in said(capsys)


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device", "/some/file")


def test_a_full_disk_while_training(model, tmp_path, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(running.state, "write", full)
        assert call(arguments(model, tmp_path)) == 1
    assert "error: /some/file: No space left on device\n" in capsys.readouterr().err
    assert call([*arguments(model, tmp_path), "--resume"]) == 0


@pytest.mark.parametrize("command", [init, advise])
def test_a_full_disk_at_the_end(model, tmp_path, capsys, monkeypatch, command):
    monkeypatch.setattr("lora.save", full)
    monkeypatch.setattr(advise, "write_json", full)
    assert command.run(without_store("out", model, tmp_path)) == 1
    assert said(capsys) == "error: /some/file: No space left on device\n"
    assert not (tmp_path / "out").exists()


def test_a_folder_that_may_not_be_written(model, tmp_path, capsys, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", "run")

    given = arguments(model, tmp_path)
    monkeypatch.setattr(Path, "mkdir", refused)
    assert call(given) == 2
    assert said(capsys) == f"error: {tmp_path}/run cannot be written: Permission denied\n"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nof many"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory"
        ),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_too_little_memory(model, tmp_path, capsys, monkeypatch, error):
    def short(*_, **__):
        raise error

    monkeypatch.setattr("lora.attach", short)
    assert call(arguments(model, tmp_path)) == 1
    assert "out of memory" in said(capsys)
    assert not (tmp_path / "run").exists()
