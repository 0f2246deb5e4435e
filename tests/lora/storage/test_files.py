"""The two files of an adapter are one: whoever reads sees both of one save, or a refusal."""

import json
import multiprocessing
import os
import signal
import stat
import threading
import time
import warnings
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import lora
from lora.storage import CONFIG, WEIGHTS
from lora.storage.files import locked, replace_together

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
]
X = torch.ones(1, 6)


def base(width: int = 6) -> nn.Sequential:
    model = nn.Sequential(nn.Linear(width, 4, bias=False))
    nn.init.constant_(model.get_parameter("0.weight"), 1)
    return model


def adapter(number: int, width: int = 6) -> nn.Sequential:
    """Whose alpha and weights tell which one it is."""
    model = base(width)
    lora.attach(model, lora.Config(rank=1 + number // 4, alpha=2.0**number))
    with torch.no_grad():
        model.get_parameter("0.A").fill_(1)
        model.get_parameter("0.B").fill_(3.0**number)
    return model


def number_of(folder: Path) -> int:
    """Which adapter stock PEFT loads; it must be one of them."""
    y = peft.PeftModel.from_pretrained(base(), str(folder))(X)
    same = [n for n in range(5) if torch.equal(y, adapter(n)(X))]
    assert same, "a mixture of two adapters"
    return same[0]


def in_a_child(act) -> int:
    child = multiprocessing.get_context("fork").Process(target=act)
    child.start()
    child.join()
    assert child.exitcode is not None
    return child.exitcode


STEPS = [(Path, "replace"), (Path, "rename"), (Path, "unlink"), (os, "fsync"), (os, "close")]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("earlier", [True, False], ids=["over another", "the first"])
def test_a_save_killed_at_any_step_is_whole_or_refused(tmp_path, monkeypatch, earlier, after):
    """The process kills itself around every call that changes the folder, one after another."""

    def killed_at(step: int, folder: Path) -> bool:
        def act() -> None:
            left = [step]

            def counted(call):
                def wrapper(*given, **named):
                    left[0] -= 1
                    if left[0] == 0 and not after:
                        os.kill(os.getpid(), signal.SIGKILL)
                    result = call(*given, **named)
                    if left[0] == 0:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return result

                return wrapper

            for holder, name in STEPS:
                setattr(holder, name, counted(getattr(holder, name)))
            lora.save(adapter(3), folder)
            os._exit(0)

        return in_a_child(act) == -signal.SIGKILL

    step, loaded = 1, set()
    while True:
        folder = tmp_path / str(step)
        if earlier:
            lora.save(adapter(2), folder)
        if not killed_at(step, folder):
            break
        if theirs := (folder / CONFIG).exists():
            loaded.add(number_of(folder))
        else:
            with pytest.raises(ValueError, match="Can't find"):
                number_of(folder)
        if earlier or theirs:
            ours = base()
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "there is no adapter_config.json")
                lora.load(ours, folder)
            assert any(torch.equal(ours(X), adapter(n)(X)) for n in (2, 3))
        lora.save(adapter(4), folder)
        assert number_of(folder) == 4
        assert {file.name for file in folder.iterdir()} == {CONFIG, WEIGHTS, "README.md"}
        step += 1
    assert loaded == ({2, 3, 4} if earlier else {3, 4}) - {4}
    assert step > 8


def test_a_save_killed_at_a_random_moment_is_no_mixture(tmp_path):
    def save_for_ever() -> None:
        for number in range(10**6):
            lora.save(adapter(number % 5), tmp_path)

    lora.save(adapter(0), tmp_path)
    for moment in range(60):
        child = multiprocessing.get_context("fork").Process(target=save_for_ever)
        child.start()
        time.sleep(0.01 + 0.0007 * moment)
        child.kill()
        child.join()
        if (tmp_path / CONFIG).exists():
            number_of(tmp_path)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "there is no adapter_config.json")
            lora.load(base(), tmp_path)
    assert child.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_many_writers_and_a_reader_never_meet_half_way(tmp_path, kind):
    """Adapters of other ranks and scales go into one folder while it is read."""
    lora.save(adapter(0), tmp_path)
    failures: list[str] = []

    def write(first: int) -> None:
        for turn in range(15):
            lora.save(adapter((first + turn) % 5), tmp_path)

    def read() -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                for _ in range(40):
                    model = base()
                    lora.load(model, tmp_path)
                    if not any(torch.equal(model(X), adapter(n)(X)) for n in range(5)):
                        failures.append("a mixture")
        except Exception as error:
            failures.append(repr(error))

    if kind == "threads":
        writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    else:
        context = multiprocessing.get_context("fork")
        writers = [context.Process(target=write, args=(n,)) for n in range(4)]
    for writer in writers:
        writer.start()
    read()
    for writer in writers:
        writer.join()
    assert not failures
    assert kind == "threads" or all(writer.exitcode == 0 for writer in writers)  # type: ignore[union-attr]
    number_of(tmp_path)
    assert not list(tmp_path.glob(".*"))


def test_a_reader_waits_for_the_writer(tmp_path):
    lora.save(adapter(1), tmp_path)
    seen = []
    reader = threading.Thread(target=lambda: seen.append(lora.load(base(), tmp_path)))
    with locked(tmp_path) as held:
        assert held
        reader.start()
        reader.join(0.2)
        assert not seen
    reader.join()
    assert seen


def test_readers_do_not_wait_for_each_other(tmp_path):
    lora.save(adapter(1), tmp_path)
    with locked(tmp_path, shared=True):
        lora.load(base(), tmp_path)


def test_settings_that_stay_are_not_touched(tmp_path):
    """Then one rename alone replaces the adapter."""
    model = adapter(2)
    lora.save(model, tmp_path)
    before = (tmp_path / CONFIG).stat()
    with torch.no_grad():
        model.get_parameter("0.B").fill_(5)
    lora.save(model, tmp_path)
    assert (tmp_path / CONFIG).stat().st_ino == before.st_ino
    assert load_file(tmp_path / WEIGHTS)["base_model.model.0.lora_B.weight"].eq(5).all()


@pytest.mark.parametrize("failing", [0, 1])
def test_a_full_disk_at_either_file_changes_nothing(tmp_path, monkeypatch, failing):
    lora.save(adapter(2), tmp_path)
    good = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    calls = []

    def full(_: int) -> None:
        calls.append(1)
        if len(calls) > failing:
            raise OSError(28, "No space left on device")

    model = adapter(3)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            lora.save(model, tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == good
    assert number_of(tmp_path) == 2


def test_a_weights_file_that_cannot_be_replaced_leaves_the_settings(tmp_path):
    (tmp_path / WEIGHTS).mkdir()  # a file cannot take a folder's place
    (tmp_path / CONFIG).write_text("mine")
    with pytest.raises(OSError, match="directory"):
        replace_together(tmp_path, {WEIGHTS: [b"new"], CONFIG: [b"new"]})
    assert (tmp_path / CONFIG).read_text() == "mine"
    assert {file.name for file in tmp_path.iterdir()} == {WEIGHTS, CONFIG}


def test_links_are_replaced_and_not_followed(tmp_path):
    folder, victim = tmp_path / "adapter", tmp_path / "victim"
    folder.mkdir()
    victim.write_text("precious")
    for name in (CONFIG, WEIGHTS):
        (folder / name).symlink_to(victim)
    lora.save(adapter(1), folder)
    assert victim.read_text() == "precious"
    assert not any((folder / name).is_symlink() for name in (CONFIG, WEIGHTS))
    assert number_of(folder) == 1


def test_names_of_partial_files_cannot_be_guessed_nor_taken(tmp_path, monkeypatch):
    """A link that waits under the very name is an error, and its target stays."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    names = set()
    for _ in range(2):
        with monkeypatch.context() as patch:
            write = Path.open

            def spy(path, mode="r", *given, write=write, **named):
                if mode == "xb":
                    names.add(path.name)
                return write(path, mode, *given, **named)

            patch.setattr(Path, "open", spy)
            lora.save(adapter(1 + len(names)), tmp_path / "a")
    assert len(names) >= 4
    monkeypatch.setattr("secrets.token_hex", lambda size: "0" * size)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / f".{WEIGHTS}.00000000.partial").symlink_to(victim)
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))  # as another writer's, after the sweep
    with pytest.raises(FileExistsError):
        lora.save(adapter(1), tmp_path / "b")
    assert victim.read_text() == "precious"


def test_what_dead_processes_left_is_removed(tmp_path):
    lora.save(adapter(0), tmp_path)
    for name in (f".{WEIGHTS}.4321.partial", f".{CONFIG}.0123456789abcdef.partial"):
        (tmp_path / name).write_bytes(bytes(1000))
    (tmp_path / ".mine.partial").write_text("kept")
    lora.save(adapter(1), tmp_path)
    assert {file.name for file in tmp_path.glob(".*")} == {".mine.partial"}


def test_new_files_have_the_permissions_of_any_new_file(tmp_path):
    lora.save(adapter(0), tmp_path)
    (tmp_path / "any").touch()
    wanted = stat.S_IMODE((tmp_path / "any").stat().st_mode)
    assert stat.S_IMODE((tmp_path / WEIGHTS).stat().st_mode) == wanted
    assert stat.S_IMODE((tmp_path / CONFIG).stat().st_mode) == wanted


def test_the_same_adapter_is_the_same_bytes(tmp_path):
    """safetensors itself orders the metadata anew in each call."""
    seen = set()
    for turn in range(12):
        lora.save(adapter(2), tmp_path / str(turn))
        seen.add(tuple(file.read_bytes() for file in sorted((tmp_path / str(turn)).iterdir())))
    assert len(seen) == 1


def test_an_interrupted_save_is_loaded_by_its_record_and_says_so(tmp_path):
    lora.save(adapter(3), tmp_path)
    (tmp_path / CONFIG).unlink()
    model = base()
    with pytest.warns(UserWarning, match="there is no adapter_config.json in .* the record in"):
        lora.load(model, tmp_path)
    assert torch.equal(model(X), adapter(3)(X))


def test_without_a_lock_each_file_is_still_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("lora.storage.files.fcntl", None)
    lora.save(adapter(1), tmp_path)
    lora.save(adapter(2), tmp_path)
    assert number_of(tmp_path) == 2
    assert json.loads((tmp_path / CONFIG).read_text())["lora_alpha"] == 4.0
