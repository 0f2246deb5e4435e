"""`loralab finetune` on a folder that holds a run already, or in which another process is at
work."""

import json
import os
import signal
from pathlib import Path

import pytest

pytest.importorskip("transformers")

import scaling.training.running as running
from scaling.core import run_folder
from tests.support.finetuning import arguments, call, tiny_bert
from tests.support.killing import ending, kill_at


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model"), dropout=0.0)


@pytest.fixture
def finished(model, tmp_path) -> list[str]:
    """The arguments of a run of two steps that has finished, beside a file of the user's."""
    given = arguments(model, tmp_path, steps=2)
    assert call(given) == 0
    (tmp_path / "run" / "notes.txt").write_text("mine")
    return given


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(
    "wrong",
    [
        ("--model", "/does/not/exist"),
        ("--train", "nowhere.jsonl"),
        ("--rank", "4000"),
        ("--report-to", "pigeon"),
        ("--columns", "question", "label"),
    ],
    ids=lambda flags: flags[0],
)
def test_wrong_input_leaves_the_finished_run_as_it_was(finished, tmp_path, wrong):
    before = files(tmp_path / "run")
    assert call([*finished, "--force", *wrong]) == 2
    assert files(tmp_path / "run") == before


def test_forced_the_new_run_stands_in_the_old_one_s_place(finished, tmp_path):
    old = files(tmp_path / "run")
    assert call([*finished, "--force", "--lr", "0.5"]) == 0
    new = files(tmp_path / "run")
    assert new.keys() == old.keys()
    assert new["notes.txt"] == b"mine"
    assert new["adapter/adapter_model.safetensors"] != old["adapter/adapter_model.safetensors"]
    assert json.loads(new["run.json"])["lr"] == 0.5


def test_a_replacement_that_is_killed_keeps_the_old_run_and_goes_on(
    model, finished, tmp_path, capsys
):
    old, longer = files(tmp_path / "run"), arguments(model, tmp_path, steps=12)
    kill_at(6, [*longer, "--force"])
    kept = files(tmp_path / "run" / run_folder.REPLACED)
    assert kept == {name: held for name, held in old.items() if name != "notes.txt"}
    assert call(longer) == 2
    assert f"is whole in {tmp_path}/run/.replaced" in capsys.readouterr().err
    assert call([*longer, "--resume"]) == 0
    alone = tmp_path / "alone"
    alone.mkdir()
    assert call(arguments(model, alone, steps=12)) == 0
    assert ending(tmp_path / "run") == ending(alone / "run")
    assert files(tmp_path / "run").keys() == old.keys()


def test_to_begin_anew_is_not_to_go_on(model, tmp_path):
    given = arguments(model, tmp_path)
    kill_at(9, given)
    assert call([*given, "--force", "--lr", "0.01"]) == 0
    losses = json.loads((tmp_path / "run" / "metrics.json").read_text())["losses"]
    assert [step for step, _ in losses] == list(range(1, 13))
    whole = tmp_path / "whole"
    whole.mkdir()
    assert call(arguments(model, whole, "--lr", "0.01")) == 0
    assert ending(tmp_path / "run") == ending(whole / "run")


@pytest.mark.parametrize("how", [(), ("--resume",), ("--force",), ("--lr", "0.5")])
def test_a_second_process_on_a_folder_is_refused_at_once(model, tmp_path, capsys, how):
    given = arguments(model, tmp_path)
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        begun = running._trained

        def wait(*rest):
            os.write(write, b"!")
            signal.pause()
            return begun(*rest)

        running._trained = wait
        os._exit(call(given))
    try:
        assert os.read(read, 1) == b"!"
        before = files(tmp_path / "run")
        assert call([*given, *how]) == 2
        assert f"another process is at work in {tmp_path}/run" in capsys.readouterr().err
        assert files(tmp_path / "run") == before
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert call([*given, "--resume"]) == 0, "the lock of a killed run is free again"
