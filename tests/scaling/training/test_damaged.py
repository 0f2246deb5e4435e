"""A file of an unfinished run that is missing, cut off or garbage is named, with the way out."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

from scaling.comparison import trials
from scaling.core.config import Config
from tests.support.finetuning import arguments, call, tiny_bert
from tests.support.killing import kill_at

FILES = {
    "run.json": "run.json",
    "before.json": "before.json",
    "trainer_state": "checkpoint-4/trainer_state.json",
    "state": "checkpoint-4/training_state.safetensors",
    "best": "checkpoint-4/best_state.safetensors",
    "optimizer": "checkpoint-4/optimizer.pt",
    "scheduler": "checkpoint-4/scheduler.pt",
    "random numbers": "checkpoint-4/rng_state.pth",
}


class Hostile:
    def __reduce__(self):
        return (print, ("a pickle was run",))


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def garbage(file: Path) -> None:
    file.write_bytes(bytes(range(256)) * 3)


def another(file: Path) -> None:
    """Whole, and of something else."""
    if file.suffix == ".json":
        file.write_text('{"global_step": 3, "train_batch_size": 8}')
    elif file.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file({"a": torch.zeros(1)}, file)
    else:
        torch.save({"a": torch.zeros(1)}, file)


def hostile(file: Path) -> None:
    file.write_bytes(pickle.dumps(Hostile()))


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> tuple[list[str], Path]:
    """The arguments of a run that was killed after its first checkpoint, and its folder."""
    folder = tmp_path_factory.mktemp("killed")
    model = tiny_bert(tmp_path_factory.mktemp("model"), dropout=0.0)
    given = arguments(model, folder, "--validate-every", "2")
    kill_at(6, given)
    return given, folder / "run"


@pytest.mark.parametrize("damage", [emptied, cut, garbage, another, hostile, Path.unlink])
@pytest.mark.parametrize("name", FILES)
def test_the_damaged_file_is_named_with_the_way_out(killed, tmp_path, capfd, name, damage):
    given, run = killed
    if name in ("best", "trainer_state") and damage is Path.unlink:
        pytest.skip("a run without validation has none, or it is no checkpoint yet")
    if name in ("run.json", "before.json") and damage in (another, Path.unlink):
        pytest.skip("another run's folder, or none")
    mine = tmp_path / "run"
    shutil.copytree(run, mine)
    damage(mine / FILES[name])
    again = [*given, "--out", str(mine), "--resume"]
    assert call(again) == 2
    out, error = capfd.readouterr()
    assert error.count("\n") == 1, error
    assert error.startswith(f"error: {mine / FILES[name]} is damaged: ")
    assert error.endswith("; --force begins the run anew\n")
    assert "a pickle was run" not in out


def test_beginning_anew_needs_none_of_them(killed, tmp_path):
    given, run = killed
    mine = tmp_path / "run"
    shutil.copytree(run, mine)
    for file in FILES.values():
        garbage(mine / file)
    assert call([*given, "--out", str(mine), "--force"]) == 0
    assert len(json.loads((mine / "metrics.json").read_text())["losses"]) == 12


def test_a_finished_result_that_is_damaged_is_named(killed, tmp_path, capsys):
    given, run = killed
    mine = tmp_path / "run"
    shutil.copytree(run, mine)
    (mine / "metrics.json").write_text('{"metrics": {}}')
    assert call([*given, "--out", str(mine)]) == 2
    assert f"{mine}/metrics.json is damaged: it has no " in capsys.readouterr().err


def test_a_trial_whose_checkpoint_is_damaged_begins_anew(killed, tmp_path, monkeypatch):
    """It is a function of its settings, and a sweep has no --force."""
    given, run = killed
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path))
    flags = dict(zip(given[::2], given[1::2], strict=True))
    config = Config.of(
        **{name: flags[f"--{name}"] for name in ("model", "train", "test")},
        **{"steps": 12, "batch": 8, "lr": 0.02, "rank": 4, "save_every": 4, "validate_every": 2},
    )
    called = trials.arguments(config)
    expected = trials.fine_tuned(**called)
    folder = trials.folder_of(**called)
    shutil.rmtree(folder)
    shutil.copytree(run, folder)
    garbage(folder / FILES["optimizer"])
    found = trials.fine_tuned(**called)
    assert found["losses"] == expected["losses"]
    assert found["metrics"] == expected["metrics"]
