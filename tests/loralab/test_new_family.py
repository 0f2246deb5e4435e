"""`loralab new-family` writes a family that runs, is tested and gets its verdict."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from loralab import new_family
from loralab.cli import run
from loralab.code import ROOT
from loralab.new_family import FILES, write

PARTS = ("evidence", "lora", "loralab", "paper_figs", "proxies", "scaling", "tests", "theory")
PARTS += ("benchmarks", "docs", "LEDGER.md", "README.md", "pyproject.toml", "constraints.txt")
ABOUT = ("test_layout", "test_wiring", "loralab/test_chain", "loralab/test_registry")
ABOUT += ("loralab/test_recorded_ledger",)


def call(copy: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("LORALAB_")}
    places = {"PYTHONPATH": str(copy), "PYTHON": sys.executable, "LORALAB_JOBS": "1"}
    return subprocess.run(
        command, cwd=copy, env=inherited | places, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path) -> Path:
    """A checkout of its own."""
    ignored = shutil.ignore_patterns("__pycache__", "trials.jsonl.xz")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, tmp_path / part, ignore=ignored)
        else:
            shutil.copy(ROOT / part, tmp_path)
    return tmp_path


def claims(copy: Path, stem: str) -> str:
    return (copy / "proxies" / "families" / stem / "claims.py").read_text(encoding="utf-8")


def test_the_example_leads_from_the_files_to_a_verdict(copy):
    done = call(copy, "bash", ROOT / "examples" / "own_claim.sh", "toy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"verdict\W+2 holds", done.stdout)
    assert re.search(r"checks\W+6 registered", done.stdout)
    assert "TOY2: holds" in (copy / "LEDGER.md").read_text(encoding="utf-8")
    assert (copy / "report" / "figures" / "toy-shares.svg").is_file()
    files = [f"tests/{name}.py" for name in ABOUT]
    tested = call(copy, sys.executable, "-m", "pytest", *files, "-k", "toy or TOY")
    assert tested.returncode == 0, tested.stdout
    assert not re.search("failed|error", tested.stdout.splitlines()[-1])


def test_a_family_has_its_name_and_ids_of_its_own(copy, monkeypatch):
    monkeypatch.setattr(new_family, "ROOT", copy)
    written = write("many_forms")
    assert len(written) == len(FILES)
    assert all("many_forms" in str(path.relative_to(copy)) for path in written)
    texts = [path.read_text(encoding="utf-8") for path in written]
    assert not any(re.search("toy", text, re.IGNORECASE) for text in texts)
    assert (
        '_claim("MF1", "gaussian")' in (copy / "proxies/families/many_forms/claims.py").read_text()
    )
    linted = call(copy, sys.executable, "-m", "ruff", "check", *written)
    assert linted.returncode == 0, linted.stdout


def test_ids_of_another_family_are_not_taken(copy, monkeypatch):
    monkeypatch.setattr(new_family, "ROOT", copy)
    write("l_m")  # LM is the language model's
    assert '_claim("LMX1"' in claims(copy, "l_m")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Toy", "lower-case letters, digits and _, got 'Toy'"),
        ("random", "proxies/random.py would hide the module random"),
        ("torch", "proxies/torch.py would hide the module torch"),
        ("asymmetry", "there is a family 'asymmetry' already: theory/asymmetry/__init__.py"),
    ],
)
def test_a_name_that_cannot_be_is_one_sentence(name, message, capsys):
    assert run(["new-family", name]) == 2
    assert message in capsys.readouterr().err


def test_one_name_is_needed(capsys):
    assert run(["new-family"]) == 2
    assert capsys.readouterr().err == "error: loralab new-family takes one name, such as toy\n"


def test_outside_a_checkout_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(new_family, "ROOT", tmp_path)
    with pytest.raises(ValueError, match="into a checkout of loralab"):
        write("toy")
    assert not list(tmp_path.iterdir())
