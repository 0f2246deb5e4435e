"""The claim families: every file of proxies/ is one, found by its stem, and those of REAL are on
real models."""

import importlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from loralab.code import ROOT
from loralab.names import nearest

if TYPE_CHECKING:
    from loralab.proxy import Proxy


# modules of the families that are no proxies
STUDIES = (
    "findings",
    "predictions",
    "rates",
    "language",
    "adapters",
    "dynamics",
    "ranks",
    "gaps",
    "curvature",
)
REAL = tuple(f"scaling.studies.{stem}" for stem in STUDIES)


def stems() -> list[str]:
    return sorted(file.stem for file in (ROOT / "proxies").glob("*.py") if file.stem != "__init__")


def proxies() -> "Iterator[Proxy]":
    """The PROXY of every family, in order of stem, the real models last."""
    for stem in stems():
        yield importlib.import_module(f"proxies.{stem}").PROXY
    for module in REAL:
        if (ROOT / f"{module.replace('.', '/')}.py").is_file():
            yield importlib.import_module(module).PROXY


def named(stems: Sequence[str]) -> "list[Proxy]":
    """The families of these stems, in the order of `proxies`.

    Raises: ValueError for a stem that no family has.
    """
    if not stems:
        return []
    families = {proxy.stem: proxy for proxy in proxies()}
    if unknown := [stem for stem in stems if stem not in families]:
        hint = nearest(unknown[0], families) or f"; known: {', '.join(families)}"
        raise ValueError(f"there is no family {unknown[0]!r}{hint}")
    return [proxy for stem, proxy in families.items() if stem in stems]


def of_claims(ids: Sequence[str]) -> "list[Proxy]":
    """The families of these claims, in the order of `proxies`.

    Raises: ValueError for a claim that no family has.
    """
    owners = {claim.id: proxy.stem for proxy in proxies() for claim in proxy.claims} if ids else {}
    if unknown := [id for id in ids if id not in owners]:
        hint = nearest(unknown[0], owners) or f"; known: {', '.join(owners)}"
        raise ValueError(f"there is no claim {unknown[0]!r}{hint}")
    return named([owners[id] for id in ids])


def check_unique(families: "Iterable[Proxy]") -> None:
    """Raise ValueError where two claims have one id, which is unique across families."""
    owners: dict[str, str] = {}
    for proxy in families:
        for claim in proxy.claims:
            if claim.id in owners:
                raise ValueError(
                    f"the claim {claim.id} of {proxy.stem} has the id of one of {owners[claim.id]}"
                )
            owners[claim.id] = proxy.stem
