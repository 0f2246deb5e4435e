"""What is installed: a wheel that works without the checkout, and bounds that are tested."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import loralab

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = ("lora", "loralab", "paper_figs", "proxies", "scaling", "theory")
DATA = ("evidence",)
pytestmark = pytest.mark.xdist_group("packaging")  # one wheel for all

# Python runs this when it starts, after the editable install has put the checkout on the path.
WITHOUT_CHECKOUT = """
import os, sys
sys.path[:] = [p for p in sys.path if p == {prefix!r} or not os.path.exists(f"{{p}}/loralab")]
"""
# Takes seconds, and decides nothing.
SIZE = {
    **{"seeds": 3, "samples": 2, "supersamples": 30, "splits": 2},
    **{"images": 2, "steps": 1, "draws": 2},
}
TINY = [f"--{name}={value}" for name, value in SIZE.items()]


def call(*command: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LORALAB_") and name != "PYTHONPATH"
    }
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=inherited | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The wheel of a copy, since a build leaves its folders beside the sources."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in (*PACKAGES, *DATA, "tests", "benchmarks"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = ("-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index")
    done = call(*pip, "--wheel-dir", built, source, cwd=source)
    assert done.returncode == 0, done.stderr
    return next(built.glob("*.whl"))


@pytest.fixture(scope="session")
def prefix(wheel, tmp_path_factory) -> Path:
    """A folder that holds the installed wheel."""
    prefix = tmp_path_factory.mktemp("prefix")
    pip = ("-m", "pip", "install", "--no-deps", "--no-index", "--no-compile")
    done = call(*pip, "--target", prefix, wheel, cwd=prefix)
    assert done.returncode == 0, done.stderr
    (prefix / "sitecustomize.py").write_text(WITHOUT_CHECKOUT.format(prefix=str(prefix)))
    return prefix


@pytest.fixture
def installed(prefix, tmp_path):
    """Run Python with the installed wheel, and without the checkout, in an empty folder."""

    def installed(*command: str | Path) -> subprocess.CompletedProcess[str]:
        places = {"PYTHONPATH": str(prefix), "LORALAB_HOME": str(tmp_path), "LORALAB_JOBS": "1"}
        return call(*command, cwd=tmp_path, **places)

    return installed


def test_the_wheel_holds_every_file_of_the_packages_and_no_other(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = {
        file.relative_to(ROOT).as_posix()
        for package in (*PACKAGES, *DATA)
        for file in (ROOT / package).rglob("*")
        # the trials of the studies stay in the checkout
        if file.is_file() and file.suffix != ".pyc" and not file.name.endswith(".jsonl.xz")
    }
    assert held == files
    assert {f"{package}/py.typed" for package in PACKAGES} <= held


def test_the_library_is_imported_from_the_wheel(installed, prefix):
    code = (
        "import lora, loralab, scaling.tasks.causal_lm as task; print(lora.__file__, task.__file__)"
    )
    done = installed("-c", code)
    assert done.stdout.split() == [
        str(prefix / "lora" / "__init__.py"),
        str(prefix / "scaling" / "tasks" / "causal_lm.py"),
    ], done.stderr


def test_the_command_of_the_wheel_knows_its_version(installed, prefix):
    done = installed(prefix / "bin" / "loralab", "--version")
    assert done.stdout.strip().endswith(loralab.__version__), done.stderr


def test_the_command_of_the_wheel_lists_every_claim(installed, prefix):
    done = installed(prefix / "bin" / "loralab", "claims", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["id"]: row for row in json.loads(done.stdout)}
    assert {"A1", "E1", "L2", "N1", "OP1", "OP14", "S1", "S8", "T1"} <= rows.keys()
    assert rows["A1"]["checks"][0]["outcome"], "the recorded evidence is in the wheel"


def test_a_proxy_of_the_wheel_runs(installed, tmp_path):
    done = installed("-m", "proxies.generalization", *TINY, "--json")
    assert done.returncode in (0, 1), done.stderr  # 1: a verdict differs, as at this size it may
    rows = json.loads(done.stdout)
    assert rows
    assert any(check["run"] for row in rows for check in row["checks"])
    assert (tmp_path / "runs" / "loralab.sqlite").is_file()


def test_a_folder_of_adapters_called_lora_hides_nothing(tmp_path):
    (tmp_path / "lora" / "my-adapter").mkdir(parents=True)
    (tmp_path / "loralab").mkdir()
    done = call("-c", "import lora, loralab.code; print(lora.attach.__name__)", cwd=tmp_path)
    assert done.stdout == "attach\n", done.stderr


def test_the_library_depends_on_three_packages():
    names = {Requirement(line).name for line in PROJECT["dependencies"]}
    assert names == {"jaxtyping", "safetensors", "torch"}


def test_a_lower_bound_is_the_minor_version_that_is_tested():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    tested = dict(
        line.lower().replace("_", "-").split("==") for line in lines if not line.startswith("#")
    )
    extras = PROJECT["optional-dependencies"].values()
    for line in [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]:
        requirement = Requirement(line)
        if requirement.name == PROJECT["name"]:
            continue
        bound = Version(str(requirement.specifier).removeprefix(">="))
        pinned = Version(tested[requirement.name.lower().replace("_", "-")])
        assert bound.release[:2] == pinned.release[:2], f"{line}, but {pinned} is tested"


def test_every_extra_that_is_named_exists():
    extras = PROJECT["optional-dependencies"].keys()
    for file in [*ROOT.glob("*.md"), *(f for p in PACKAGES for f in (ROOT / p).rglob("*.py"))]:
        for named in re.findall(r"loralab\[([\w,]+)\]", file.read_text(encoding="utf-8")):
            assert set(named.split(",")) <= extras, f"{file.name} names loralab[{named}]"


def test_the_citation_and_the_changelog_are_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == loralab.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    latest = re.search(r"^## \[(.+?)\] - (\S+)$", changes, re.MULTILINE)
    assert latest
    assert latest.groups() == (loralab.__version__, str(citation["date-released"]))
