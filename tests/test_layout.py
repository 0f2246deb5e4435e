"""The shape of the project: who imports whom, one stem a family, nothing that shadows, nothing of
one machine."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from loralab.code import ROOT, imported
from loralab.families import stems

PACKAGES = {"lora", "theory", "loralab", "proxies", "scaling", "paper_figs", "benchmarks", "docs"}
PACKAGES |= {"tests"}
SHARED = ("lora", "theory", "loralab", "proxies.instruments")
# What the files of each place may import of ours, besides that place itself. The commands that
# loralab offers as functions are found by name when they are called, so it imports none of them.
ALLOWED: dict[str, tuple[str, ...]] = {
    "lora": (),
    "theory": (),
    "loralab": (),
    "proxies/__init__.py": (),
    "proxies/instruments": SHARED,
    "proxies/families/__init__.py": (),
    **{f"proxies/families/{stem}": SHARED for stem in stems()},
    **{f"proxies/{stem}.py": (*SHARED, f"proxies.families.{stem}") for stem in stems()},
    "scaling": SHARED,
    "paper_figs": ("loralab",),
    "benchmarks": (*SHARED, "proxies.families", "scaling"),
    "docs": (*SHARED, "scaling"),
}
ROOMS = {"claims", "trials", "evidence", "tables"}
SCRIPTS = {"finetune", "sweep", "advise", "init", "coord_check"}
FOLDERS = {"core", "data", "models", "pretrained", "tasks", "training", "evaluation", "advice"}
FOLDERS |= {"comparison", "studies"}
PYTHON = sorted(file for package in PACKAGES - {"tests"} for file in (ROOT / package).rglob("*.py"))
LONGEST = 300


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def stems_in(folder: str) -> set[str]:
    """The modules and packages of a folder."""
    entries = (ROOT / folder).iterdir()
    return {
        path.stem
        for path in entries
        if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py")))
    }


def within(module: str, places: Iterable[str]) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places)


def ours(file: Path) -> set[str]:
    """The modules of this project that a file imports."""
    return {module for module in imported(file) if module.split(".")[0] in PACKAGES}


@pytest.mark.parametrize("place", ALLOWED)
def test_imports_go_one_way(place):
    path = ROOT / place
    files = [path] if path.suffix else sorted(path.rglob("*.py"))
    allowed = (*ALLOWED[place], place.removesuffix(".py").replace("/", "."))
    # `from proxies.instruments import x` is fine, and so is the package `proxies` in between
    parents = {part.rpartition(".")[0] for part in allowed} - {""}
    assert files
    for file in files:
        wrong = {module for module in ours(file) if not within(module, allowed)} - parents
        assert not wrong, f"{name(file)} imports {', '.join(sorted(wrong))}"


def test_every_file_has_its_place():
    for file in PYTHON:
        assert any(name(file) == place or name(file).startswith(f"{place}/") for place in ALLOWED)


def test_loralab_imports_none_of_the_commands_that_it_offers():
    code = (
        "import sys, loralab; print({'scaling', 'lora', 'proxies', 'torch'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("stem", stems())
def test_every_family_has_its_rooms(stem):
    folder = f"proxies/families/{stem}"
    assert stems_in(folder) == ROOMS | {"__init__"}, f"{folder} holds the rooms of a family"


def test_only_families_have_rooms():
    assert stems_in("proxies/families") == {*stems(), "__init__"}


@pytest.mark.parametrize("stem", stems())
def test_a_family_has_one_stem_everywhere(stem):
    for place in (
        f"theory/{stem}/__init__.py",
        f"proxies/families/{stem}/__init__.py",
        f"paper_figs/{stem}.py",
        f"tests/theory/{stem}",
        f"tests/proxies/{stem}",
    ):
        assert (ROOT / place).exists(), f"proxies/{stem}.py needs {place}"


def test_scaling_holds_its_scripts_and_folders():
    assert stems_in("scaling") == SCRIPTS | FOLDERS | {"__init__"}


def test_no_test_imports_another():
    for file in sorted((ROOT / "tests").rglob("*.py")):
        for module in imported(file):
            first, *rest = module.split(".")
            assert not any(part.startswith("test_") for part in (first, *rest)), (
                f"{name(file)} imports {module}: move what they share to tests/support"
            )
            assert first not in ("support", "conftest"), f"{name(file)} imports {module}"
            # the batteries of tests/fuzz are programs, which their own tests run
            shared = ("support", "fuzz") if "fuzz" in file.parts else ("support",)
            assert first != "tests" or (rest and rest[0] in shared), (
                f"{name(file)} imports {module}: helpers are imported as tests.support.*"
            )


def test_no_proxy_shadows_a_module():
    # `python proxies/<stem>.py` puts proxies/ first on the path: its names win over every installed
    # one.
    taken = sys.stdlib_module_names | packages_distributions().keys() - PACKAGES
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
