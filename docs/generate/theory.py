"""A page for each package of theory/: the docstrings of its modules, which are the one place where
an equation is written, and what each module computes."""

import ast
from functools import cache
from pathlib import Path

from docs.generate import evidence, markdown
from loralab.code import ROOT

FOLDER = ROOT / "theory"


def stems() -> list[str]:
    """The packages of theory/."""
    return sorted(file.parent.name for file in FOLDER.glob("*/__init__.py"))


def pages() -> dict[str, str]:
    """A page a package, after one that lists them."""
    lines = [
        (f"[`theory.{stem}`]({stem}.md)", markdown.escaped(summary(FOLDER / stem / "__init__.py")))
        for stem in stems()
    ]
    head = (
        "# Theory\n\nDerivations, closed forms and bounds, one package a claim family. The text "
        "of these pages is that of the modules' docstrings, so that an equation stands in one "
        "place. Claims, tests and other modules cite an equation by its module and its number. "
        "Equations are in plain letters: `A^T` is the transpose, `^+` the pseudo-inverse, `tr` "
        "the trace, and Greek letters are spelled out.\n\n"
    )
    return {
        "theory/index.md": head + markdown.table(("package", "about"), lines),
        **{f"theory/{stem}.md": page(stem) for stem in stems()},
    }


def place(equation: str) -> str:
    """Where the site derives an equation, such as "theory.nystrom.sketch (2)", or a function of
    theory/; empty for what is not there."""
    module, _, number = equation.partition(" ")
    top, _, rest = module.partition(".")
    stem, _, rest = rest.partition(".")
    if top != "theory" or stem not in stems():
        return ""
    address, name = f"theory/{stem}.md", rest.partition(".")[0]
    inside = bool(name) and (FOLDER / stem / f"{name}.py").is_file()
    text = section(FOLDER / stem / f"{name}.py") if inside else opening(stem)
    numbered = f"{name if inside else stem}-{number.strip('()')}"
    if f'id="{numbered}"' in text:
        return f"{address}#{numbered}"
    return f"{address}#{name}" if inside else address


def page(stem: str) -> str:
    """The modules of a package, each under its name."""
    title = evidence.titled(stem)[0]
    modules = [file for file in sorted((FOLDER / stem).glob("*.py")) if file.stem != "__init__"]
    parts = [
        f"# {title}: `theory.{stem}`",
        opening(stem),
        f"The claims that follow from it: [{title}](../ledger/{stem}.md).\n",
        *map(section, modules),
    ]
    return "\n".join(parts)


def opening(stem: str) -> str:
    """What a package is about: its docstring, in which a small one has its equations."""
    return markdown.docstring(document(FOLDER / stem / "__init__.py"), stem)


@cache
def section(file: Path) -> str:
    """A module: its docstring, and its public functions with what they compute."""
    functions = [
        (f"`{node.name}`", markdown.escaped((ast.get_docstring(node) or "").split("\n\n")[0]))
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    listed = markdown.table(("name", "what it is"), functions) if functions else ""
    text = markdown.docstring(document(file), file.stem)
    return f"## {file.stem} {{#{file.stem}}}\n\n{text}\n{listed}"


def document(file: Path) -> str:
    return ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""


def summary(file: Path) -> str:
    return document(file).split("\n\n")[0]
