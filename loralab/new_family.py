"""`loralab new-family toy`: the files of a claim family that runs, to be replaced by yours."""

import re
import sys
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from itertools import chain, count
from pathlib import Path

from loralab.code import ROOT
from loralab.families import proxies
from loralab.files import write_text

TEMPLATE = Path(__file__).parent / "template"
NAME = re.compile(r"[a-z][a-z0-9_]*")
# The file of a checkout: the one of the template. "toy" is the family's name in both.
FILES = {
    "theory/toy/__init__.py": "theory",
    "tests/theory/toy/test_toy.py": "test_theory",
    "proxies/toy.py": "proxy",
    "proxies/families/toy/__init__.py": "rooms",
    "proxies/families/toy/claims.py": "claims",
    "proxies/families/toy/trials.py": "trials",
    "proxies/families/toy/evidence.py": "evidence",
    "proxies/families/toy/tables.py": "tables",
    "paper_figs/toy.py": "figures",
    "tests/support/worlds/toy.py": "world",
    "tests/proxies/toy/test_program.py": "test_program",
}


@dataclass(frozen=True)
class NewFamily:
    """What is written."""

    name: tuple[str, ...] = ()
    """The name of the family, such as toy."""


def new_family(options: NewFamily) -> int:
    """Write the files of a claim family that runs at once, for you to replace what it claims."""
    if len(options.name) != 1:
        raise ValueError("loralab new-family takes one name, such as toy")
    [stem] = options.name
    for path in write(stem):
        print(path.relative_to(ROOT))
    print(f"now: python proxies/{stem}.py --quick (few seeds, so its intervals are wide)")
    print("then replace what it claims, its introduction too, by the recipe of CONTRIBUTING.md")
    return 0


def write(stem: str) -> list[Path]:
    """Write the files of a family into the checkout, and give their paths.

    Args:
        stem: the name of the family, under which it goes in every folder.

    Raises: ValueError outside a checkout, for a name that no module can have or another has, and
        where one of the files is there; nothing is written then.
    """
    if not (ROOT / "tests" / "support" / "worlds").is_dir():
        raise ValueError(
            "a family is written into a checkout of loralab, and this is an installation"
        )
    if not NAME.fullmatch(stem):
        raise ValueError(f"the name of a family is lower-case letters, digits and _, got {stem!r}")
    if stem in sys.stdlib_module_names | packages_distributions().keys():
        raise ValueError(
            f"python proxies/{stem}.py would hide the module {stem}: take another name"
        )
    prefix = _prefix(stem)
    texts = {
        ROOT / file.replace("toy", stem): (TEMPLATE / f"{name}.txt").read_text(encoding="utf-8")
        for file, name in FILES.items()
    }
    if there := [path for path in texts if path.exists()]:
        raise ValueError(f"there is a family {stem!r} already: {there[0].relative_to(ROOT)}")
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text.replace("TOY", prefix).replace("toy", stem))
    return list(texts)


def _prefix(stem: str) -> str:
    """Of the ids of the family's claims: letters that no other family has."""
    found = (re.match("[A-Z]+", claim.id) for proxy in proxies() for claim in proxy.claims)
    taken = {match[0] for match in found if match}
    letters = re.sub("[^A-Z]", "", stem.upper())
    initials = "".join(part[0] for part in stem.upper().split("_") if part[:1].isalpha())
    names = [*([initials] if "_" in stem else []), *(letters[:n] for n in range(3, len(letters)))]
    others = (letters + "X" * n for n in count())
    return next(name for name in chain(names, others) if name not in taken)
