"""Pages of the report with every claim of the record, quickly: stubs stand for the figures, and
made-up runs for the studies."""

import json
from functools import cache
from typing import Any, NamedTuple

from loralab.families import proxies
from loralab.report import Family, Picture, as_recorded, page
from loralab.store import Run
from scaling.studies import tables
from tests.support.worlds.language import world

STUB = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='900' height='300'/>"
PROVENANCE = {"commit": "c0ffee", "torch": "2", "machine": "made-up"}


class Made(NamedTuple):
    text: str
    families: list[Family]
    methods: list[str]


def run_of(family: str, config: dict[str, Any], result: dict[str, Any]) -> Run:
    return Run(family * 4, family, "claims", config, "code", PROVENANCE, "now", 1.5, result)


@cache
def recorded_families() -> tuple[Family, ...]:
    """As the record has them, without figures and tables."""
    return tuple(as_recorded(proxy)._replace(run=None) for proxy in proxies())


def small() -> str:
    """Without figures, tables and the study of a language model."""
    return page(recorded_families())


@cache
def filled(*stems: str, claims: int | None = None) -> Made:
    """With a figure and a table a family, matfac of the reduced size, and the study.

    Args:
        stems: the families; without any, all.
        claims: how many of each family, the first ones; all by default.
    """
    methods = json.loads(json.dumps(tables.language(world())))
    families = []
    for family in recorded_families():
        if stems and family.proxy.stem not in stems:
            continue
        stem, runs = family.proxy.stem, dict(family.runs)
        config = {"seeds": 6, "steps": 40}
        result = {"data": methods if stem == "language" else {}, "tables": {"t": [{"x": 1.5}]}}
        run = run_of(stem, config, result)
        about = {"size": "default", "config": config, "finished": "now", "seconds": 1.5}
        runs[run.key[:12]] = about | {"provenance": PROVENANCE}
        if stem == "matfac":
            runs = {name: about | {"size": "quick"} for name, about in runs.items()}
        picture = Picture(f"{stem}-stub", STUB, "A stub.", "What is drawn: nothing.")
        rows = family.rows[:claims]
        families.append(family._replace(rows=rows, run=run, runs=runs, pictures=[picture]))
    return Made(page(families), families, list(methods))
