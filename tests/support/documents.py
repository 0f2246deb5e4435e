"""The blocks of code of a document, and what a command line in one must satisfy."""

import ast
import re
import shlex
import tomllib
from importlib.util import find_spec
from pathlib import Path

from loralab import cli, families, flags
from loralab.flags import Group

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FOREIGN = ("lm_eval", "vllm", "git")  # programs of others, whose flags are theirs
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]
TARGETS = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


def blocks(text: str, *kinds: str) -> list[str]:
    """The blocks of these kinds, such as "python" or "sh", in order."""
    return [code for kind, code in FENCE.findall(text) if kind in kinds]


def missing(code: str) -> list[str]:
    """The packages that a block imports and that are not installed."""
    names = {
        alias.name.split(".")[0]
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    return sorted(name for name in names if find_spec(name) is None)


def lines(block: str) -> list[list[str]]:
    """The command lines of a block, as words."""
    joined = re.sub(r"\\\n\s*", "", block)
    return [words for line in joined.split("\n") if (words := shlex.split(line, comments=True))]


def check(words: list[str]) -> None:
    """Raise ValueError unless this command line would be understood; nothing is run."""
    program, *rest = words
    match program:
        case "loralab":
            _loralab(rest)
        case "python":
            _python(rest)
        case "torchrun":
            at = rest.index("-m")
            _python(rest[at:])
        case "make":
            targets = [word for word in rest if "=" not in word]
            if unknown := {*targets} - {*TARGETS}:
                raise ValueError(f"make has no target {', '.join(sorted(unknown))}")
        case "pip":
            for extra in re.findall(r"\[([\w,]+)\]", " ".join(rest)):
                if unknown := {*extra.split(",")} - EXTRAS.keys():
                    raise ValueError(f"there is no extra {', '.join(sorted(unknown))}")
        case "export":
            pass
        case ".":
            if rest != [".venv/bin/activate"]:
                raise ValueError(f"there is nothing to read in {' '.join(rest)}")
        case _ if program in FOREIGN or program.startswith(".venv/"):
            pass
        case _ if not (ROOT / program).is_file():
            raise ValueError(f"there is no program {program}")


def _loralab(words: list[str]) -> None:
    if not words or words[0] in ("--version", "--help"):
        return
    command, *rest = words
    if command in cli.HERE:
        _, kind = cli.HERE[command]
        group = Group(kind, words=cli.WORDS.get(kind, ""))
        options = kind(**flags.read({"command": group}, command, "", rest)["command"])
        families.named(getattr(options, "family", ()))
        known = {claim.id for proxy in families.proxies() for claim in proxy.claims}
        if unknown := {*getattr(options, "ids", ())} - known:
            raise ValueError(f"there is no claim {unknown}")
    elif command == "models":
        from scaling.models.packaged import MODELS

        if rest and (rest[0] != "get" or not {*rest[1:]} <= MODELS.keys()):
            raise ValueError(f"loralab models does not know {' '.join(rest)}")
    else:
        _of_a_run(command, rest)


def _of_a_run(command: str, words: list[str]) -> None:
    import importlib

    from scaling.training.command import values_of, whole

    if command not in cli.ELSEWHERE:
        raise ValueError(f"unknown command {command}")
    groups = importlib.import_module(f"scaling.{command}").GROUPS
    values, _ = values_of(groups, f"loralab {command}", "", words)
    whole(groups, values)


def _python(words: list[str]) -> None:
    """`python -m module flags` or `python file.py flags`."""
    if words[0] == "-m":
        module, rest = words[1], words[2:]
    else:
        if not (ROOT / words[0]).is_file():
            raise ValueError(f"there is no file {words[0]}")
        module, rest = words[0].removesuffix(".py").replace("/", "."), words[1:]
    top, _, name = module.partition(".")
    if top == "scaling" and name in cli.ELSEWHERE:
        _of_a_run(name, rest)
    elif module == "scaling.coord_check":
        from scaling.coord_check import Config

        Config(**flags.read({"check": Group(Config)}, module, "", rest)["check"])
    elif top == "proxies" or module.startswith("scaling.studies."):
        from loralab.proxy import Options

        (proxy,) = families.named([module.rpartition(".")[2]])
        flags.read({"experiment": Group(proxy.Config), "run": Group(Options)}, module, "", rest)
    elif module == "benchmarks":
        import tyro

        from benchmarks.__main__ import Config as Benchmarks

        try:
            tyro.cli(Benchmarks, args=rest, console_outputs=False)
        except SystemExit as error:
            raise ValueError(f"{module} does not take {' '.join(rest)}") from error
    elif find_spec(module) is None:
        raise ValueError(f"there is no module {module}")
