"""How sure a recommendation is: the recorded verdicts of the claims that it rests on, with what
they were measured on, and the schemes that it does not weigh."""

from collections.abc import Iterable

import lora
from loralab import recorded
from loralab.families import proxies
from loralab.rows import Row

# Why nothing is said of the schemes that need this, and the claims about it.
UNWEIGHED = {
    "nothing": ("random as init_a, and no probe batch tells them apart", ()),
    "weight": (
        "made of the weight, of which nothing is measured here",
        ("E9f", "LM6", "LM7", "LM7b", "LM7c"),
    ),
    "inputs": ("nothing that is measured here tells it from EVA", ("E9f",)),
    "gradient": (
        "whether more gradient signal than EVA's pays",
        ("E9d", "E9e", "E9f", "LM1e", "LM7e", "LM7f"),
    ),
}


def records() -> dict[str, Row]:
    """Every claim with its recorded evidence, by id: what `loralab claims` shows in a clone."""
    return {
        row.claim.id: row
        for family in proxies()
        for row in recorded.rows_of(family, recorded.read(family.stem))
    }


def sure(claims: Iterable[str], rows: dict[str, Row]) -> str:
    """The verdict of each claim and what it was measured on; claims of a kind together."""
    found: dict[str, list[str]] = {}
    for id in claims:
        claim = rows[id].claim
        scopes = dict.fromkeys(str(check.scope or claim.scope) for check in claim.checks)
        verdict = f"{rows[id].verdict or 'not measured'} ({', '.join(scopes)})"
        found.setdefault(verdict, []).append(id)
    return "; ".join(f"{', '.join(ids)} {verdict}" for verdict, ids in found.items())


def not_weighed(weighed: Iterable[str], rows: dict[str, Row]) -> str:
    """The schemes that no rule chooses between, and why, in one line."""
    left = [name for name in lora.SCHEMES if name not in {*weighed}]
    parts = []
    for needs, (why, claims) in UNWEIGHED.items():
        if names := [name for name in left if lora.SCHEMES[name].needs == needs]:
            known = f": {sure(claims, rows)}" if claims else ""
            parts.append(f"{', '.join(names)} ({why}{known})")
    return f"not weighed: {'; '.join(parts)}"
