"""The shape of the project: who imports whom, one stem a family, nothing that shadows, nothing of
one machine."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from loralab.code import ROOT, imported
from loralab.families import stems

# What the files of each package may import of ours, besides their own package.
ALLOWED = {
    "lora": set(),
    "theory": set(),
    "loralab": set(),
    "proxies": {"lora", "theory", "loralab"},
    "scaling": {"lora", "theory", "loralab", "proxies"},
    "paper_figs": {"loralab"},
    "benchmarks": {"lora", "loralab", "proxies", "scaling"},
}
PYTHON = sorted(file for package in ALLOWED for file in (ROOT / package).rglob("*.py"))
LONGEST = 520


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_go_one_way(package):
    ours = ALLOWED.keys() | {"tests"}
    for file in (file for file in PYTHON if file.is_relative_to(ROOT / package)):
        found = {module.split(".")[0] for module in imported(file)} & ours
        assert found <= ALLOWED[package] | {package}, f"{name(file)} imports {found}"


def test_no_family_imports_another():
    for file in (ROOT / "proxies").rglob("*.py"):
        for stem in stems():
            if not name(file).startswith((f"proxies/{stem}.", f"proxies/families/{stem}/")):
                others = {f"proxies.{stem}", f"proxies.families.{stem}"}
                assert not others & set(imported(file)), f"{name(file)} imports the family {stem}"


def test_every_family_has_its_rooms():
    folders = {path.name for path in (ROOT / "proxies" / "families").iterdir() if path.is_dir()} - {
        "__pycache__"
    }
    assert folders == set(stems())


@pytest.mark.parametrize("stem", stems())
def test_a_family_has_one_stem_everywhere(stem):
    for place in (
        f"theory/{stem}/__init__.py",
        f"paper_figs/{stem}.py",
        f"tests/theory/{stem}",
    ):
        assert (ROOT / place).exists(), f"proxies/{stem}.py needs {place}"


def test_no_proxy_shadows_a_module():
    # `python proxies/<stem>.py` puts proxies/ first on the path: its names win over every installed
    # one.
    taken = sys.stdlib_module_names | packages_distributions().keys() - ALLOWED.keys()
    assert taken >= {"random", "torch", "peft"}
    assert not {path.name.removesuffix(".py") for path in (ROOT / "proxies").iterdir()} & taken


@pytest.mark.parametrize("file", PYTHON, ids=name)
def test_a_file_is_read_in_one_sitting(file):
    lines = file.read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST, f"{lines} lines: split it by idea"


@pytest.mark.skipif(
    not (ROOT / ".git").exists() or not shutil.which("git"), reason="needs a git checkout"
)
def test_no_file_knows_one_machine():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    machine = re.compile(r"(?<![\w.:/])/(home|root|work|Users|mnt)/\w")
    for file in (ROOT / entry for entry in listed.split("\0") if entry):
        text = file.read_bytes().decode("utf-8", errors="ignore") if file.is_file() else ""
        assert not (found := machine.search(text)), (
            f"{name(file)} holds {found[0] if found else ''}"
        )


def test_the_adapter_library_needs_no_language_model():
    others = {
        "transformers",
        "peft",
        "datasets",
        "loralab",
        "scipy",
        "sklearn",
        "matplotlib",
        "sympy",
    }
    code = f"import sys, lora; print({others} & sys.modules.keys())"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "set()\n"
    )
