"""No --help waits for a library that takes seconds to load."""

import os
import subprocess
import sys

import pytest

from loralab.cli import ELSEWHERE, HERE
from loralab.code import ROOT
from loralab.families import stems

HEAVY = {"torch", "transformers", "peft", "sklearn", "scipy", "sympy", "matplotlib"}
COMMANDS = {
    "loralab": ["-m", "loralab"],
    **{f"loralab {name}": ["-m", "loralab", name] for name in (*HERE, *ELSEWHERE)},
    "scaling/coord_check.py": ["scaling/coord_check.py"],
    **{f"proxies/{stem}.py": [f"proxies/{stem}.py"] for stem in stems()},
}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_shown_without_what_takes_seconds_to_load(command):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *COMMANDS[command], "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.startswith("usage: ")
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "loralab" in loaded
    assert not HEAVY & loaded
