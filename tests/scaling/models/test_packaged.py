"""Models by name, and GGUF files: one is checked before it is read, read once, and whole or not
there."""

import hashlib
import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")
pytest.importorskip("gguf")

import loralab
from scaling.models import command, gguf, packaged
from scaling.models.packaged import MODELS, Model, Package, located
from tests.support import gguf_files
from tests.support.finetuning import call
from tests.support.text_rows import rows


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return gguf_files.write(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def tiny(file, tmp_path, monkeypatch) -> Path:
    """A row of the table whose package, which must not be imported, is installed; its file."""
    folder = tmp_path / "tiny_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "tiny.gguf").write_bytes(file.read_bytes())
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    package = Package("tiny-package", "1.0", "tiny_package", "tiny.gguf", sha256(file))
    monkeypatch.setitem(MODELS, "tiny", Model("a tiny one", "none", package))
    return folder / "tiny.gguf"


def test_a_gguf_file_becomes_a_model_with_its_tokenizer_and_template(file):
    from gguf import GGUFReader, dequantize
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = located(str(file))
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    [wanted] = [t for t in GGUFReader(file).tensors if t.name == "blk.0.ffn_up.weight"]
    found = model.model.layers[0].mlp.up_proj.weight.detach().numpy()
    assert np.array_equal(found, dequantize(wanted.data, wanted.tensor_type)), "exact in float32"
    assert tokenizer.decode(tokenizer("ab b", add_special_tokens=False)["input_ids"]) == "ab b"
    assert tokenizer.chat_template == gguf_files.TEMPLATE


def test_a_gguf_file_is_read_once_and_again_when_it_has_changed(tmp_path, monkeypatch):
    file = gguf_files.write(tmp_path / "tiny.gguf")
    write, calls = gguf._write, []
    monkeypatch.setattr(gguf, "_write", lambda *given: calls.append(1) or write(*given))
    first = located(str(file))
    assert located(str(file)) == first
    assert len(calls) == 1
    gguf_files.write(file, seed=1)
    assert located(str(file)) != first


def test_a_model_is_trained_by_its_file(file, tmp_path):
    for name, count in (("train", 8), ("test", 2)):
        (tmp_path / f"{name}.jsonl").write_text(rows(count))
    given = {"task": "causal_lm", "model": file, "train": tmp_path / "train.jsonl", "steps": 2}
    given |= {"test": tmp_path / "test.jsonl", "batch": 4, "out": tmp_path / "run", "length": 32}
    words = [part for name, value in given.items() for part in (f"--{name}", str(value))]
    assert call([*words, "--store", str(tmp_path / "s"), "--task-options", "new_tokens", "2"]) == 0
    saved = (tmp_path / "run" / "adapter" / "adapter_config.json").read_text()
    assert located(str(file)) in saved, "the folder is where others find the base model"


@pytest.mark.parametrize("content", [b"", b"GGU", b"other", b"GGUF", b"GGUF\3\0\0\0" + b"\1" * 40])
def test_a_file_that_is_no_model_is_one_sentence(tmp_path, home, content):
    (tmp_path / "broken.gguf").write_bytes(content)
    with pytest.raises(ValueError, match=r"^cannot load the model .*broken\.gguf: ") as error:
        located(str(tmp_path / "broken.gguf"))
    assert "\n" not in str(error.value)
    kept = home / "runs" / "pretrained"
    assert not kept.exists() or not [*kept.glob("broken*/"), *kept.glob(".broken*")]


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.gguf: No such file or directory$"):
        located(str(tmp_path / "gone.gguf"))


def test_a_killed_reading_leaves_nothing_and_the_next_one_is_whole(file, home, monkeypatch):
    from transformers import AutoTokenizer

    def killed(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if (child := os.fork()) == 0:
        AutoTokenizer.from_pretrained = killed  # after the model, before anything is complete
        located(str(file))
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert not [*(home / "runs" / "pretrained").glob("tiny*/")]
    # what a kill between two files leaves
    folder = located(str(file))
    (stale := Path(folder).with_name(f".{Path(folder).name}.partial")).mkdir()
    (stale / "model.safetensors").write_bytes(b"half")
    Path(folder).rename(folder + ".away")
    assert not (Path(located(str(file))) / "half").exists()
    assert not stale.exists()


def test_a_model_of_the_table_is_checked_before_it_is_read(tiny, home):
    tiny.write_bytes(tiny.read_bytes() + b"more")
    with pytest.raises(ValueError, match=r"its sha256 is another one.*loralab models get tiny"):
        located("tiny")
    assert not (home / "runs").exists()
    assert "tiny_package" not in sys.modules


def test_a_name_of_the_table_wins_and_a_folder_has_its_path(tiny, tmp_path, monkeypatch):
    (tmp_path / "tiny").mkdir()
    monkeypatch.chdir(tmp_path)
    assert located("tiny") == str(packaged.kept_in("tiny"))
    assert located("./tiny") == "./tiny"
    assert located("some/name") == "some/name"
    tiny.unlink()
    assert located("tiny"), "once it is read, its package may go"


def test_a_missing_model_is_one_sentence_before_data_are_read(tmp_path, monkeypatch, capsys):
    package = Package("no-package", "1.0", "no_such_package", "x.gguf", "0")
    monkeypatch.setitem(MODELS, "gone", Model("none", "none", package))
    for task in ("causal_lm", "text_classification"):
        given = ["--task", task, "--model", "gone", "--train", str(tmp_path / "nowhere.jsonl")]
        assert call([*given, "--out", str(tmp_path / "run")]) == 2
        said = capsys.readouterr().err
        assert said == "error: the model gone is not installed: loralab models get gone\n"
    with pytest.raises(ValueError, match="loralab models get gone"):
        loralab.sweep(model="gone", train=tmp_path / "nowhere.jsonl")


def test_the_table_is_listed_with_what_is_missing(tiny, monkeypatch, capsys):
    package = Package("no-package", "1.0", "no_such_package", "x.gguf", "0")
    monkeypatch.setitem(MODELS, "gone", Model("none", "none", package))
    rows = {row.name: row for row in loralab.models().rows}
    assert {"smollm2", "minilm", "gpt"} <= rows.keys()
    assert rows["gone"].missing == "not installed: loralab models get gone"
    assert rows["tiny"].missing == "read at its first use"
    folder = located("tiny")
    assert command.run([]) == 0
    assert f"tiny: a tiny one (none)\n    {folder}\n" in capsys.readouterr().out


def test_getting_a_model_installs_it_alone_and_once(tiny, monkeypatch):
    content, calls = tiny.read_bytes(), []

    def pip(words, **_):
        calls.append(words)
        tiny.write_bytes(content)
        return subprocess.CompletedProcess(words, 0, "", "")

    tiny.unlink()
    monkeypatch.setattr(command.subprocess, "run", pip)
    for _ in range(2):
        assert command.run(["get", "tiny"]) == 0
    [words] = calls
    assert words[:4] == [sys.executable, "-m", "pip", "install"]
    assert words[-3:] == ["--no-deps", "--force-reinstall", "tiny-package==1.0"]


def test_what_stops_an_installation_is_one_sentence(tiny, monkeypatch, capsys):
    tiny.unlink()
    said = "WARNING: Retrying after NewConnectionError\nERROR: no matching distribution\n"
    failed = subprocess.CompletedProcess([], 1, "", said)
    monkeypatch.setattr(command.subprocess, "run", lambda *_, **__: failed)
    assert command.run(["get", "tiny"]) == 1
    assert capsys.readouterr().err == (
        "error: cannot install tiny-package==1.0: the package index is out of reach, perhaps for "
        "want of a network: ERROR: no matching distribution\n"
    )
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(command.shutil, "which", lambda name: "/bin/uv")
    assert command.run(["get", "tiny"]) == 1
    monkeypatch.setattr(command.shutil, "which", lambda name: None)
    capsys.readouterr()
    assert command.run(["get", "tiny"]) == 1
    assert "there is neither pip nor uv to install tiny-package==1.0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["get"], "loralab models takes get and names, or nothing; got get"),
        (["fetch", "tiny"], "loralab models takes get and names, or nothing; got fetch tiny"),
        (["get", "smolm2"], "there is no model 'smolm2' to get; did you mean smollm2?"),
    ],
)
def test_wrong_words_are_one_sentence(words, sentence, capsys):
    assert command.run(words) == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"
