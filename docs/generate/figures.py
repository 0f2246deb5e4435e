"""The figures of the claim families, drawn from the recorded data when the site is built."""

from functools import cache
from pathlib import Path

from docs.generate import evidence, ledger, markdown
from loralab.code import home
from loralab.figures import draw
from loralab.report import Family, as_recorded, pictures_of

PLACE = "ledger/figures"


@cache
def drawn() -> dict[str, tuple[Family, list[Path]]]:
    """Each family that has recorded data, with its pictures, and their files."""
    found = {}
    for stem, (proxy, _) in evidence.families().items():
        family = as_recorded(proxy)
        if family.run is None:
            continue
        figures = draw(stem, family.run.result["data"], home() / "build" / "figures")
        pictures = pictures_of(family.run, figures, lambda path: f"figures/{path.name}")
        found[stem] = family._replace(pictures=pictures), [each.path for each in figures]
    return found


def files() -> dict[str, Path]:
    """The files by the address that each has in the site."""
    return {f"{PLACE}/{path.name}": path for _, paths in drawn().values() for path in paths}


def shown(stem: str) -> str:
    """The figures of a family, with their captions."""
    family, _ = drawn()[stem]
    return markdown.raw(
        "".join(ledger.parts().figure(family, picture) for picture in family.pictures)
    )
