"""The claim families: every file of proxies/ is one, found by its stem, and those of REAL are on
real models."""

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from loralab.code import ROOT

if TYPE_CHECKING:
    from loralab.proxy import Proxy


# modules of the families that are no proxies
REAL = ("scaling.studies.findings", "scaling.studies.predictions")


def stems() -> list[str]:
    return sorted(file.stem for file in (ROOT / "proxies").glob("*.py") if file.stem != "__init__")


def proxies() -> "Iterator[Proxy]":
    """The PROXY of every family, in order of stem, the real models last."""
    for stem in stems():
        yield importlib.import_module(f"proxies.{stem}").PROXY
    for module in REAL:
        if (ROOT / f"{module.replace('.', '/')}.py").is_file():
            yield importlib.import_module(module).PROXY
