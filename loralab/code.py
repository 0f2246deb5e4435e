"""What code a run depends on: a fingerprint that changes when, and only when, that code does.

The fingerprint of a file covers the file and every module of this project that it imports, directly
or not. So editing a README or another claim family keeps a finished run valid, and editing `lora/`
does not. Of loralab/ it covers what the files of a family import themselves (intervals, memo), a
package whole: the rest carries results and does not make them.
"""

import ast
import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Beside these lie other files of the checkout, or every package of site-packages.
OWN = {"lora", "loralab", "paper_figs", "proxies", "scaling", "theory"}


def home() -> Path:
    """The folder that holds runs/ and report/: $LORALAB_HOME, else the checkout, else the working
    directory."""
    if folder := os.environ.get("LORALAB_HOME"):
        return Path(folder).expanduser()
    return ROOT if (ROOT / "pyproject.toml").exists() else Path.cwd()


def imported(file: Path) -> Iterator[str]:
    """The dotted names that a Python file imports; `from a import b` gives both a and a.b."""
    yield from _imported(file, file.read_text(encoding="utf-8"))


@cache  # to parse takes the most of `closure`, and families share most of their files
def _imported(file: Path, text: str) -> tuple[str, ...]:
    return tuple(_names(file, ast.walk(ast.parse(text, str(file)))))


def _names(file: Path, nodes: Iterator[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = ".".join((*_package(file, node.level), *filter(None, [node.module])))
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _package(file: Path, level: int) -> tuple[str, ...]:
    """The package that the dots of a relative import mean: none without dots."""
    return file.resolve().relative_to(ROOT).parts[:-level] if level else ()


def _own_files(name: str) -> Iterator[Path]:
    """The files that an import of this dotted name reads, where it is one of this project's."""
    parts = name.split(".")
    if parts[0] not in OWN:
        return
    for end in range(1, len(parts) + 1):
        base = ROOT.joinpath(*parts[:end])
        yield from (
            file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()
        )


def closure(file: Path) -> set[Path]:
    """The file and all of this project's files that it needs."""
    found, todo = set(), [file.resolve()]
    while todo:
        if (current := todo.pop()) not in found:
            found.add(current)
            needed = [own for name in imported(current) for own in _own_files(name)]
            if current.is_relative_to(inner := ROOT / "loralab"):
                # of a package like loralab/statistics all, and nothing beyond it
                needed = [own for own in needed if own.parent == current.parent != inner]
            todo += needed
    return found


@cache
def fingerprint(file: Path) -> str:
    """64 bits, in hexadecimal, of the contents of `closure(file)`."""
    digest = hashlib.sha256()
    for path in sorted(closure(file)):
        name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
        digest.update(f"{name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def provenance() -> dict[str, str]:
    """Where a run was made: commit (with "-dirty" where the tree was changed), versions,
    processor."""
    return {
        "commit": _commit() or "unknown",
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{package: version(package) for package in ("numpy", "scipy", "torch")},
    }


def _commit() -> str:
    if (git := shutil.which("git")) is None:
        return ""

    def said(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([git, *words], cwd=ROOT, capture_output=True, text=True, check=False)

    commit = said("describe", "--always").stdout.strip()
    # finished trials, which a study writes as they come, are no change of the code
    changed = said("diff", "--quiet", "HEAD", "--", ".", ":(exclude)evidence/trials").returncode
    return f"{commit}-dirty" if commit and changed else commit
