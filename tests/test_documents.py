"""Every path that a document names exists.

A path is a link's target, or a word of code (in backticks or a fenced block) that looks like one: a
folder with its slash, a file in a folder, a page such as README.md or a settings file. Left out are
patterns (<family>, *), what git ignores (runs/, report/), and the folders that example commands
write. A page that the site makes when it is built counts as one.
"""

import os
import re
from pathlib import Path

import pytest

from docs.generate import pages

ROOT = Path(__file__).parents[1]
PLACES = ("*.md", ".github/**/*.md", "docs/**/*.md", "examples/**/*.md", "evidence/**/*.md")
DOCUMENTS = sorted(file for place in PLACES for file in ROOT.glob(place))
IGNORED = [
    line.lstrip("/") for line in (ROOT / ".gitignore").read_text().split() if line.endswith("/")
]
EXAMPLES = ("my-run/", "comparison/", "adapter/")
PATH = re.compile(
    r"[\w.-]+/([\w.-]+/)*([\w.-]+\.(py|md|toml|txt|json|yml|cff|jinja))?|[A-Z_]+\.md|\w+\.(toml|cff)"
)


def paths(text: str) -> set[str]:
    """The paths that a document names."""
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    links = {target.split("#")[0] for target in targets if "://" not in target}
    fences = re.findall(r"^```.*?^```", text, re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    code = " ".join([*fences, *re.findall(r"`([^`]+)`", prose)])
    words = {word.split("::")[0] for word in re.findall(r"""[^\s"'`(),;|]+""", code)}
    named = {word.removeprefix("./") for word in words if PATH.fullmatch(word)}
    return (links - {""}) | {path for path in named if not path.startswith((*IGNORED, *EXAMPLES))}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_every_path_in_a_document_exists(document):
    for path in sorted(paths(document.read_text(encoding="utf-8"))):
        there = os.path.relpath(document.parent / path, ROOT / "docs")
        known = (ROOT / path).exists() or (document.parent / path).exists() or there in pages()
        assert known, f"{document.name} names {path}"


def test_paths_are_found_in_links_code_and_commands():
    text = (
        "See [a](docs/a.md#top), [b](https://b.org/c.md), `lora/x.py`, `proxies/<family>.py` and "
        "`tests/y.py::test_z`, `a.toml`, not `b.py`, `B/A`, `runs/a.json` or `my-run/b.json`.\n"
        "```sh\npython ./scaling/z.py --out my-run/  # then `tests/`\n```\n"
    )
    assert paths(text) == {
        "docs/a.md",
        "lora/x.py",
        "tests/y.py",
        "a.toml",
        "scaling/z.py",
        "tests/",
    }
