"""Settings of the whole suite, and a small checkout of its own for what runs loralab as a
program."""

import compileall
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

# before anything reads them
os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "MPLBACKEND": "agg"}

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
pytest.register_assert_rewrite("tests.support")
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

if TYPE_CHECKING:
    from tests.support.programs import Programs

ROOT = Path(__file__).parents[1]
Run = Callable[..., subprocess.CompletedProcess[str]]

FAMILY = '''"""A family that costs nothing: a row of numbers and two claims on them."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from loralab.claims import Check, Claim, Kind, Scope, Within, at
from loralab.proxy import Evidence, Proxy
from loralab.statistics import spread


@dataclass(frozen=True)
class Config:
    draws: int = 4
    """how many numbers"""
    block: int = 1000
    """the first seed"""
    shift: float = 0.0
    """what is added to each"""

    def __post_init__(self):
        if self.draws < 2:
            raise ValueError(f"--draws must be at least 2, got {self.draws}")


ABOUT = {"kind": Kind.LAW, "scope": Scope.SIMULATION}
CLAIMS = (
    Claim("F1", "Numbers | are small.", "derived", (Check("size", Within(high=1)),), **ABOUT),
    Claim(
        "F2",
        "Numbers are large.",
        "0000.00000",
        (Check("size", Within(low=2), predicted=at(2)),),
        covers=False,
        **ABOUT,
    ),
)


def number(i, shift):
    time.sleep(float(os.environ.get("PAUSE", 0)))
    with Path("computed.log").open("a") as log:
        log.write(f"{i} {os.getpid()}\\n")
    return {"x": i / 1000 + shift}


def measure(config, memo):
    if config.shift > 100:
        raise RuntimeError("the shift is out of this world")
    trials = memo.map(number, [{"i": i, "shift": config.shift} for i in range(config.draws)])
    x = [trial["x"] for trial in trials]
    tables = {"numbers": [{"count": len(x)}]}
    return Evidence({"F1": {"size": spread(x)}, "F2": {"size": spread(x)}}, {"x": x}, tables)


PROXY = Proxy("fake", Config, CLAIMS, measure, quick=Config(draws=2, block=0), full=Config(draws=6))

if __name__ == "__main__":
    PROXY.main()
'''

FIGURES = '''"""Its picture."""

import matplotlib.pyplot as plt


def numbers(data):
    """Each of {draws} numbers by its place."""
    figure, axes = plt.subplots()
    axes.plot(data["x"])
    axes.set(xlabel="place", ylabel="number")
    return figure


def figures(data):
    return {"numbers": numbers(data)}
'''


@pytest.fixture(autouse=True)
def _collector() -> None:
    from tests.support.collector import hide_imported  # after what rewrites its assertions

    hide_imported()


@pytest.fixture(autouse=True)
def _figures() -> Iterator[None]:
    """No figure stays open, as matplotlib warns where twenty are."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of loralab with its bytecode, which every checkout would make again."""
    folder = tmp_path_factory.mktemp("compiled") / "loralab"
    shutil.copytree(ROOT / "loralab", folder, ignore=shutil.ignore_patterns("__pycache__"))
    assert compileall.compile_dir(folder, quiet=1)
    return folder


@pytest.fixture
def checkout(tmp_path: Path, compiled: Path) -> Path:
    """A project of one family in a folder of its own, with a copy of loralab."""
    shutil.copytree(compiled, tmp_path / "loralab")
    for name, text in {
        "proxies/__init__.py": "",
        "proxies/fake.py": FAMILY,
        "paper_figs/__init__.py": "",
        "paper_figs/fake.py": FIGURES,
        "pyproject.toml": "",
        "README.md": "before\n<!-- totals -->\nold\n<!-- /totals -->\nafter\n",
        "docs/index.md": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


COMMANDS = {
    "loralab": ["-c", "from loralab.main import main; main()"],
    "fake": ["-m", "proxies.fake"],
}


def environment(variables: dict[str, str]) -> dict[str, str]:
    """One worker where a test does not say otherwise: two would each import numpy for trials of
    microseconds."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("LORALAB_")}
    return inherited | {"COLUMNS": "150", "LORALAB_JOBS": "1"} | variables


@pytest.fixture
def start(checkout: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Start `loralab ...`, or `python -m proxies.fake ...`, in that checkout."""

    def start(program: str, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *COMMANDS[program], *arguments],
            cwd=checkout,
            env=environment(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start


@pytest.fixture(scope="session")
def programs() -> Iterator["Programs"]:
    from tests.support.programs import Programs

    programs = Programs()
    yield programs
    programs.close()


@pytest.fixture
def run(checkout: Path, programs: "Programs") -> Run:
    """The same, waited for."""

    def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        program, *arguments = command
        return programs.run([*COMMANDS[program], *arguments], checkout, environment(variables))

    return run


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Assert that a check passes, and that it fails once the name, an attribute or a key of
    `where`, means `wrong`."""

    def caught(where: Any, name: str, wrong: Any, check: Callable[[], None]) -> None:
        check()
        (monkeypatch.setitem if isinstance(where, dict) else monkeypatch.setattr)(
            where, name, wrong
        )
        with pytest.raises(AssertionError):
            check()

    return caught
