"""The entry point names the extra that is missing, and hides no other error."""

import builtins
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest

from loralab.code import ROOT
from loralab.main import EXTRAS, main

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def lacks(monkeypatch):
    """Let `import module` fail as it does where the module is not installed."""

    def lacks(module: str) -> None:
        def find(name, *rest, found=builtins.__import__):
            if name.split(".")[0] == module:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            return found(name, *rest)

        monkeypatch.delitem(sys.modules, "loralab.cli", raising=False)
        monkeypatch.setattr(builtins, "__import__", find)
        monkeypatch.setattr("sys.argv", ["loralab", "claims", "--help"])

    return lacks


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_module_is_brought_by_its_extra(extra):
    names = {
        re.split(r"[\[>]", requirement)[0].lower()
        for requirement in PROJECT["optional-dependencies"][extra]
    }
    names |= {"huggingface-hub", "tokenizers"} if extra == "llm" else set()  # of transformers
    distributions = packages_distributions()
    for module in EXTRAS[extra]:
        assert {name.lower().replace("_", "-") for name in distributions[module]} & names, module


def test_a_missing_extra_is_named_in_one_sentence(lacks):
    lacks("tyro")
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == "error: this needs tyro: pip install 'loralab[lab]'"


def test_a_missing_module_of_no_extra_is_shown_as_it_is(lacks):
    lacks("loralab")
    with pytest.raises(ModuleNotFoundError, match="loralab"):
        main()


def test_a_reader_that_has_seen_enough_is_no_error():
    command = f"{sys.executable} -m loralab claims --json | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, cwd=ROOT
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[\n", "")
