"""Whose a run's folder is: one process at a time, its own files alone, and a finished run that
stays whole until the next one has finished."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scaling.core import run_folder
from scaling.core.outputs import ADAPTER, METRICS, Damaged, write_json

OLD, NEW = {"lr": 0.1}, {"lr": 0.2}


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != run_folder.LOCK
    }


def filled(folder: Path, settings: dict, text: str) -> None:
    """A run that has come as far as its last file."""
    run_folder.begin(folder, settings)
    (folder / ADAPTER).mkdir()
    (folder / ADAPTER / "weights").write_text(text)
    (folder / "predictions.jsonl").write_text(text)


@pytest.fixture
def finished(tmp_path) -> Path:
    folder = tmp_path / "run"
    filled(folder, OLD, "old")
    run_folder.finish(folder, {"metrics": 1})
    (folder / "notes.txt").write_text("mine")
    (folder / "adapter_of_mine").mkdir()
    (folder / "adapter_of_mine" / "weights").write_text("mine")
    return folder


def test_one_process_at_a_time_has_a_folder(tmp_path):
    folder = tmp_path / "a" / "run"
    with run_folder.alone(folder):
        with (
            pytest.raises(ValueError, match=r"another process is at work in .*run; choose another"),
            run_folder.alone(folder),
        ):
            pass
        assert run_folder.is_free(folder)
    assert not (tmp_path / "a").exists(), "nothing is left of a folder that stayed empty"
    with run_folder.alone(folder):
        (folder / "file").write_text("")
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_the_lock_of_a_killed_process_is_free_again(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from scaling.core import run_folder\n"
        "with run_folder.alone(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match="another process"), run_folder.alone(tmp_path):
            pass
        os.kill(child.pid, signal.SIGKILL)
    with run_folder.alone(tmp_path):
        assert run_folder.is_free(tmp_path)


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    sentence = f"{tmp_path}/file/run cannot be written, as {tmp_path}/file is no folder"
    with pytest.raises(ValueError, match=sentence), run_folder.alone(tmp_path / "file" / "run"):
        pass


def test_a_finished_run_stays_whole_until_the_next_has_finished(finished):
    before = files(finished)
    assert run_folder.check_folder(finished, NEW, resume=False, force=True) is None
    assert files(finished) == before, "to look is to change nothing"
    run_folder.begin(finished, NEW, anew=True)
    kept = files(finished / run_folder.REPLACED)
    mine = {name: text for name, text in before.items() if text == "mine"}
    assert kept == {name: text for name, text in before.items() if name not in mine}
    with pytest.raises(ValueError, match=r"unfinished \(the finished run that it replaces is"):
        run_folder.check_folder(finished, NEW, resume=False, force=False)
    with pytest.raises(ValueError, match=r"with another lr .*is whole in"):
        run_folder.check_folder(finished, OLD, resume=False, force=False)
    assert run_folder.check_folder(finished, NEW, resume=True, force=False) is None
    # once more from the beginning: the finished one is still the one that is kept
    (finished / "checkpoint-4").mkdir()
    run_folder.begin(finished, NEW, anew=True)
    assert not (finished / "checkpoint-4").exists()
    assert files(finished / run_folder.REPLACED) == kept
    run_folder.finish(finished, {"metrics": 2})
    assert files(finished).keys() == {"run.json", METRICS, *mine}
    assert run_folder.check_folder(finished, NEW, resume=False, force=False) == {"metrics": 2}


@pytest.mark.parametrize("step", range(12))
@pytest.mark.parametrize("during", ["begin", "settle"])
def test_a_kill_between_two_runs_loses_neither(finished, monkeypatch, step, during):
    """Cut off before each of the file operations that begin the replacement, or undo half of it."""

    class Killed(BaseException):
        pass

    def counted(act):
        def counting(*given, **named):
            if len(calls) == step:
                raise Killed
            calls.append(act)
            return act(*given, **named)

        return counting

    before, calls = files(finished), []
    rename, mkdir, write = Path.rename, Path.mkdir, write_json
    if during == "settle":  # the state of a begin that was cut off half-way
        aside = finished / run_folder.REPLACED
        aside.mkdir()
        for path in run_folder.own(finished)[:2]:
            path.rename(aside / path.name)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", counted(rename))
        patch.setattr(Path, "mkdir", counted(mkdir))
        patch.setattr(run_folder, "write_json", counted(write))
        try:
            run_folder.begin(finished, NEW, anew=True) if during == "begin" else run_folder.settle(
                finished
            )
        except Killed:
            pass
        else:
            step = -1
    if step < 0 and during == "begin":
        assert run_folder.check_folder(finished, NEW, resume=True, force=False) is None
        return
    assert run_folder.check_folder(finished, OLD, resume=False, force=False) == {"metrics": 1}
    assert files(finished) == before


def test_what_a_finished_run_leaves_aside_goes_at_the_next_look(finished):
    before = files(finished)
    aside = finished / run_folder.REPLACED
    aside.mkdir()
    (aside / "run.json").write_text("{}")
    assert run_folder.check_folder(finished, OLD, resume=False, force=False) == {"metrics": 1}
    assert files(finished) == before


@pytest.mark.parametrize("text", ["", "{", "[]", "\0" * 9, "[" * 100_000])
@pytest.mark.parametrize("name", ["run.json", METRICS])
def test_a_damaged_record_is_named(finished, name, text):
    (finished / name).write_text(text)
    with pytest.raises(Damaged, match=f"{finished / name} is damaged: .*; --force begins"):
        run_folder.check_folder(finished, OLD, resume=False, force=False)
    assert run_folder.check_folder(finished, OLD, resume=False, force=True) is None


def test_clearing_leaves_what_is_not_of_a_run(finished):
    mine = {name: text for name, text in files(finished).items() if text == "mine"}
    run_folder.clear(finished)
    assert files(finished) == mine
