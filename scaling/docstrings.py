"""Real text that is on every machine with this project: docstrings of installed packages, read and never imported."""

import ast
import importlib.util
import random
import warnings
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("matplotlib", "numpy", "scipy", "sklearn", "sympy", "torch")
SHORTEST, LONGEST = 40, 400  # letters of the paragraph that is taken
LARGEST = 60_000  # bytes of a file: larger ones take long to parse


def opening_paragraphs(file: Path) -> Iterator[str]:
    """The first paragraph of every docstring of a file, on one line, where it is neither short nor long."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # unknown escapes in a package's own strings
        tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            paragraph = " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())
            if SHORTEST <= len(paragraph) <= LONGEST:
                yield paragraph


def sources(package: str, seed: int) -> list[Path]:
    """The files of a package that is installed, in an order drawn from the seed."""
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise ValueError(f"the package {package!r} is not installed, whose docstrings are the default data")
    found = sorted(file for file in Path(folders[0]).rglob("*.py") if file.stat().st_size <= LARGEST)
    random.Random(f"{seed}:{package}").shuffle(found)
    return found


def labelled(train: int, test: int, seed: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """{"text", "label"}: docstrings and their packages, this many of each. No file, and no text, is in both parts."""
    parts: tuple[list[dict[str, str]], list[dict[str, str]]] = ([], [])
    for package in PACKAGES:
        files, seen = iter(sources(package, seed)), set[str]()
        for part, count in zip(parts, (train, test), strict=True):
            wanted = len(part) + count
            for file in files:
                new = [text for text in dict.fromkeys(opening_paragraphs(file)) if text not in seen]
                seen.update(new)
                part += [{"text": text, "label": package} for text in new][: wanted - len(part)]
                if len(part) == wanted:
                    break
    for part in parts:
        random.Random(seed).shuffle(part)
    return parts
