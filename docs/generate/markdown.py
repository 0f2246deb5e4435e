"""Plain text as Markdown."""

import re
from collections.abc import Iterable, Sequence
from html import escape

MEANT = re.compile(r"[\\*_<\[\]`|$&]")  # what Markdown would take for a mark
CODE = re.compile(r"(`[^`\n]+`)")


def escaped(text: str) -> str:
    """A text that Markdown shows as it is; what is in backticks stays code."""
    return "".join(
        part if CODE.fullmatch(part) else MEANT.sub(lambda m: f"&#{ord(m[0])};", part)
        for part in CODE.split(text)
    )


def raw(html: str) -> str:
    """HTML that Markdown leaves alone."""
    return "<div>" + " ".join(str(html).replace("[", "&#91;").split()) + "</div>"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    rows = [head, ["---"] * len(head), *lines]
    return "".join(
        "| " + " | ".join(" ".join(cell.split()) for cell in row) + " |\n" for row in rows
    )


def docstring(text: str, name: str = "") -> str:
    """A docstring: lines that are indented are equations and stand as they are, a list of arguments
    is a list, and the rest is prose.

    Args:
        text: the docstring.
        name: what the addresses of its numbered equations begin with; without it they have none.
    """
    parts: list[str] = []
    for block in text.strip().split("\n\n"):
        if block.startswith("Args:"):
            parts.append(_arguments(block))
            continue
        for indented, lines in _runs(block.split("\n")):
            text = (escape if indented else escaped)("\n".join(lines))
            text = _numbered(text, name)
            parts.append(f'<pre class="equation">{text}</pre>' if indented else text)
    return "\n\n".join(parts) + "\n"


def _numbered(text: str, name: str) -> str:
    """The numbers of equations, at the ends of lines, near them and with an address."""
    number = rf'    <span id="{name}-\2">\1</span>' if name else r"    \1"
    return re.sub(r"(?<=\S) {2,}(\((\d+)\))$", number, text, flags=re.MULTILINE)


def _runs(lines: list[str]) -> list[tuple[bool, list[str]]]:
    """The lines in runs that are indented and runs that are not; a list's continuation is prose."""
    runs: list[tuple[bool, list[str]]] = []
    for line in lines:
        indented = line.startswith("    ")
        if not runs or runs[-1][0] != indented:
            runs.append((indented, []))
        runs[-1][1].append(line.removeprefix("    ") if indented else line)
    return runs


def _arguments(block: str) -> str:
    entries: list[str] = []
    for line in block.split("\n")[1:]:
        if re.match(r"    \w[\w, *]*:", line):
            name, _, what = line.strip().partition(":")
            entries.append(f"- `{name}`: {escaped(what.strip())}")
        elif entries:
            entries[-1] += f" {escaped(line.strip())}"
    return "**Options**\n\n" + "\n".join(entries)
