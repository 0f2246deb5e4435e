"""Functions of installed packages and what their docstrings say first: an instruction task that is
on every machine with this project. Files are read and never imported.

A record's prompt is a function's source without its docstring, cut at a whole line; its answer is
the first sentence of that docstring. Training reads the packages TRAINED, the test the package
TESTED, and no first sentence and no source is there twice.
"""

import ast
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loralab.code import fingerprint
from scaling.data.docstrings import BLOCKS, installed, on_lines, parsed, sources
from scaling.data.kept import kept

TRAINED, TESTED = ("matplotlib", "scipy", "sklearn", "sympy", "torch", "transformers"), "numpy"
ASKED = "Say in one sentence what this Python function does.\n\n"
LONGEST = 320  # letters of a source: some hundred tokens
WORDS = range(3, 21)  # of a first sentence
END = re.compile(r"[a-z0-9)]\.(?=\s|$)")
ENDS_LATER = re.compile(r"\b(e\.g|i\.e|cf|etc|vs)\.$")  # that a sentence does not end with

OTHERS = 3  # wrong choices of a question

Record = dict[str, str]
Question = dict[str, Any]


def functions(train: int, test: int, seed: int) -> tuple[list[Record], list[Record]]:
    """{"prompt", "answer", "name", "package"}: this many functions of each package of TRAINED, and
    of TESTED, in an order drawn from the seed. Raises ValueError where a package is missing."""

    def read() -> tuple[list[Record], list[Record]]:
        seen = set[str]()
        tested = _of(TESTED, None, seed, seen)
        trained = [record for name in TRAINED for record in _of(name, train, seed, seen)]
        for part in (trained, tested):
            random.Random(seed).shuffle(part)
        return trained, tested[:test]

    versions = installed((*TRAINED, TESTED))
    if versions is None:
        return read()
    code = fingerprint(Path(__file__))
    found = kept("functions", ["functions", train, test, seed, code, *versions], read)
    return found[0], found[1]


def _of(package: str, count: int | None, seed: int, seen: set[str]) -> list[Record]:
    """Up to `count` functions of a package, or all; what is new goes into `seen`."""
    found: list[Record] = []
    for file in sources(package, seed):
        for name, source, sentence in described(file.read_bytes()):
            if sentence.casefold() in seen or source in seen:
                continue
            seen |= {sentence.casefold(), source}
            found.append(
                {"prompt": asked(source), "answer": sentence, "name": name, "package": package}
            )
            if len(found) == count:
                return found
    return found


def asked(source: str) -> str:
    """The prompt about a function."""
    return f"{ASKED}```python\n{source}\n```"


def described(code: bytes) -> Iterator[tuple[str, str, str]]:
    """The name, the source without its docstring, and the docstring's first sentence, of every
    function of a file that has all three."""
    lines = code.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    todo: list[ast.AST] = [parsed(code)]
    while todo:
        node = todo.pop()
        todo += [inner for block in BLOCKS for inner in reversed(getattr(node, block, ()))]
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or len(node.body) < 2:
            continue
        if node.name.startswith("test"):  # says what is tested, in a package's own tests
            continue
        if sentence := first_sentence(ast.get_docstring(node) or ""):
            yield node.name, _without_docstring(node, lines), sentence


def first_sentence(docstring: str) -> str:
    """The first sentence of the opening paragraph; nothing where it is no plain sentence, short or
    long."""
    opening = on_lines(docstring).partition("\n")[0]
    for end in (match.end() for match in END.finditer(opening)):
        sentence = opening[:end]
        if ENDS_LATER.search(sentence):
            continue
        plain = opening[0].isupper() and sentence.isascii() and not set("`:{}<>|\\*") & {*sentence}
        return sentence if plain and len(sentence.split()) in WORDS else ""
    return ""


def _without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> str:
    """The lines of a function but its docstring's, to the left margin, as many as fit."""
    first = node.body[0]
    assert first.end_lineno is not None
    kept_lines = [
        *lines[node.lineno - 1 : first.lineno - 1],
        *lines[first.end_lineno : node.end_lineno],
    ]
    found: list[str] = []
    room = LONGEST
    for line in (line[node.col_offset :].rstrip() for line in kept_lines):
        if line:
            room -= len(line) + 1
            if room < 0:
                break
            found.append(line)
    return "\n".join(found)


def in_words(name: str) -> str:
    """A function's name as a sentence, the trivial guess: "ones_like" is "Ones like."."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    return " ".join(parts).capitalize() + "."


def questions(train: int, test: int, seed: int) -> tuple[list[Question], list[Question]]:
    """{"prompt", "choices", "answer"}: which of four first sentences is that of a function; the
    others are of functions of the same package, in an order drawn from the seed."""
    rng = random.Random(seed)

    def asked_of(records: list[Record]) -> list[Question]:
        by_package: dict[str, list[str]] = {}
        for record in records:
            by_package.setdefault(record["package"], []).append(record["answer"])
        found = []
        for record in records:
            others = [a for a in by_package[record["package"]] if a != record["answer"]]
            if len(others) >= OTHERS:
                choices = [record["answer"], *rng.sample(others, OTHERS)]
                rng.shuffle(choices)
                answer = choices.index(record["answer"])
                found.append({"prompt": record["prompt"], "choices": choices, "answer": answer})
        return found

    trained, tested = (asked_of(part) for part in functions(train, test, seed))
    return trained, tested
