"""Real text that is on every machine with this project: docstrings of Python files, read and never
imported."""

import ast
import importlib.util
import platform
import random
import sysconfig
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from loralab.code import fingerprint
from scaling.data.kept import kept

PACKAGES = ("matplotlib", "numpy", "scipy", "sklearn", "sympy", "torch")
DISTRIBUTIONS = {"sklearn": "scikit-learn"}  # of packages that are called otherwise when installed
# folders in the standard library's that are not of it
OTHERS = {"site-packages", "dist-packages", "test", "tests"}
SHORTEST, LONGEST = 40, 400  # letters of the opening paragraph that is taken as a text
BRIEFEST, BROADEST = 10, 160  # and as a summary
PASSAGE = 1000  # and as running text
# of statements, in the order of their fields
BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")
LARGEST = 60_000  # bytes of a package's file: larger ones take long to parse

Record = dict[str, str]
Parts = tuple[list[Record], list[Record]]
Found = list[tuple[str, str]]  # names and texts


# parsing takes longer than all of the rest, and every run of a sweep asks for the same files
@cache
def docstrings(file: Path) -> tuple[tuple[str, str], ...]:
    """The name, "" for the module itself, and the docstring of all that has one in a file."""
    return tuple(_documented(file))


def parsed(code: bytes) -> ast.Module:
    """The tree of a file, an empty one where it is not of the running Python's syntax: packages
    have files of their own for later versions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # unknown escapes in a package's own strings
        try:
            return ast.parse(code)
        except SyntaxError:
            return ast.Module([], [])


def _documented(file: Path) -> Iterator[tuple[str, str]]:
    todo: deque[ast.AST] = deque([parsed(file.read_bytes())])
    # as ast.walk, but past the expressions, which make up most of a tree and hold no docstring
    while todo:
        node = todo.popleft()
        todo += [inner for block in BLOCKS for inner in getattr(node, block, ())]
        documented = isinstance(
            node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        )
        if documented and (text := ast.get_docstring(node)):
            yield getattr(node, "name", ""), text


def paragraphs(text: str) -> list[str]:
    """Each on one line."""
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


def on_lines(text: str) -> str:
    """All paragraphs, each on one line."""
    return "\n".join(paragraphs(text))


def opening(text: str) -> str:
    """The first paragraph; nothing where it is short or long."""
    first = on_lines(text).partition("\n")[0]
    return first if SHORTEST <= len(first) <= LONGEST else ""


def sources(package: str, seed: int) -> list[Path]:
    """The files of a package that is installed, in an order drawn from the seed."""
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise ValueError(
            f"the package {package!r} is not installed, whose docstrings are the default data"
        )
    found = sorted(
        file for file in Path(folders[0]).rglob("*.py") if file.stat().st_size <= LARGEST
    )
    random.Random(f"{seed}:{package}").shuffle(found)
    return found


def standard_library() -> list[str]:
    """The docstrings of each file of the running Python's own library, a paragraph a line, in a
    fixed order."""
    root = Path(sysconfig.get_path("stdlib"))
    files = [file for file in root.rglob("*.py") if not OTHERS & set(file.relative_to(root).parts)]
    random.Random(0).shuffle(files := sorted(files))
    return [
        text
        for file in files
        if (text := "\n".join(on_lines(text) for _, text in docstrings(file)))
    ]


def labelled(train: int, test: int, seed: int) -> Parts:
    """{"text", "label"}: opening paragraphs and their packages, this many of each."""

    def of(package: str, file: Path, found: Found) -> list[Record]:
        return [{"text": text, "label": package} for name, text in found if name]

    return _parts("labelled", train, test, seed, opening, of)


def summarised(train: int, test: int, seed: int) -> Parts:
    """{"text", "summary"}: docstrings of several paragraphs, all on one line, and the opening ones,
    which sum them up by the convention of PEP 257; this many of each package."""

    def of(package: str, file: Path, found: Found) -> list[Record]:
        pairs = [
            (text.replace("\n", " "), text.partition("\n")[0])
            for name, text in found
            if name and "\n" in text
        ]
        return [
            {"text": text, "summary": first}
            for text, first in pairs
            if BRIEFEST <= len(first) <= BROADEST
        ]

    return _parts("summarised", train, test, seed, on_lines, of)


def passages(train: int, test: int, seed: int) -> Parts:
    """{"text"}: docstrings of several paragraphs, a paragraph a line, of at most `PASSAGE` letters;
    this many of each package."""

    def of(package: str, file: Path, found: Found) -> list[Record]:
        return [
            {"text": text} for name, text in found if name and "\n" in text and len(text) <= PASSAGE
        ]

    return _parts("passages", train, test, seed, on_lines, of)


def documents(train: int, test: int, seed: int) -> Parts:
    """{"text", "file"}: the docstrings of this many files of each package, a paragraph a line."""

    def of(package: str, file: Path, found: Found) -> list[Record]:
        return (
            [{"text": "\n".join(text for _, text in found), "file": f"{package}/{file.name}"}]
            if found
            else []
        )

    return _parts("documents", train, test, seed, on_lines, of)


def _parts(
    kind: str,
    train: int,
    test: int,
    seed: int,
    form: Callable[[str], str],
    of: Callable[[str, Path, Found], list[Record]],
) -> Parts:
    """For training and for the test; no file and no first line is in both. `of` makes the records
    of a file from the names and texts that are new, in this form. They are kept by the versions of
    the packages and of the code, under the kind that they are of."""

    def read() -> Parts:
        return _read(train, test, seed, form, of)

    if (versions := installed(PACKAGES)) is None:
        return read()
    found = kept(kind, [kind, train, test, seed, fingerprint(Path(__file__)), *versions], read)
    return found[0], found[1]


def installed(packages: Sequence[str]) -> list[str] | None:
    """Where Python and the packages are, and their versions; None where one has none."""
    found = [platform.python_version()]
    for package in packages:
        spec = importlib.util.find_spec(package)
        try:
            found += [str(spec and spec.origin), version(DISTRIBUTIONS.get(package, package))]
        except PackageNotFoundError:
            return None
    return found


def _read(
    train: int,
    test: int,
    seed: int,
    form: Callable[[str], str],
    of: Callable[[str, Path, Found], list[Record]],
) -> Parts:
    parts: Parts = ([], [])
    seen = set[str]()
    for package in PACKAGES:
        files = iter(sources(package, seed))
        for part, count in zip(parts, (train, test), strict=True):
            wanted = len(part) + count
            for file in files:
                found: Found = []
                for name, text in docstrings(file):
                    formed = form(text)
                    if formed and (first := formed.partition("\n")[0]) not in seen:
                        seen.add(first)
                        found.append((name, formed))
                part += of(package, file, found)[: wanted - len(part)]
                if len(part) == wanted:
                    break
    for part in parts:
        random.Random(seed).shuffle(part)
    return parts
