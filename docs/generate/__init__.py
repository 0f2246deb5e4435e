"""The pages of the documentation site that are made when it is built, from tables, docstrings and
the recorded evidence: `mkdocs build` calls them by `docs.generate.hook`.

A maker returns its pages in the order of the navigation, the text of each by its address below
docs/.
"""

from functools import cache

from docs.generate import api, ledger, methods, theory
from loralab.code import ROOT

MAKERS = {"methods": methods, "ledger": ledger, "theory": theory, "api": api}
# pages of the repository's root that are pages of the site too
ROOTED = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}


@cache
def pages() -> dict[str, str]:
    """Every page that no file of docs/ holds, by its address."""
    made = {place: text for maker in MAKERS.values() for place, text in maker.pages().items()}
    return made | {place: (ROOT / name).read_text("utf-8") for name, place in ROOTED.items()}


@cache
def navigation() -> dict[str, list[str | dict[str, list[str]]]]:
    """The made pages by the part of the site that they fill."""
    parts: dict[str, list[str | dict[str, list[str]]]] = {
        part: list(maker.pages()) for part, maker in MAKERS.items()
    }
    schemes, variants = methods.addresses()
    return parts | {"methods": ["methods/index.md", {"Schemes": schemes}, {"Variants": variants}]}
