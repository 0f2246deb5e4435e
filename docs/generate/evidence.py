"""The recorded evidence as pages need it: families, rows, links."""

import re
from collections.abc import Iterator
from functools import cache

from loralab.claims import Claim
from loralab.families import proxies
from loralab.proxy import Proxy
from loralab.recorded import read, rows_of
from loralab.rows import Row

# by family: the title of its page, and which of its sources the page names first
FAMILIES = {
    "asymmetry": ("One factor frozen", ("2402.16842",)),
    "generalization": ("Bounds on the generalization gap", ("2402.16842",)),
    "gradient_signal": ("EVA and the expected gradient signal", ("2410.07170",)),
    "lr_stability": (
        "Learning rates in wide networks",
        ("2406.08447", "2402.12354", "2312.03732"),
    ),
    "matfac": ("OP-LoRA on matrix factorisation", ("2412.10362",)),
    "nystrom": ("Nyström initializations", ("2410.18965",)),
    "overparam_generation": ("OP-LoRA on image generation", ("2412.10362",)),
    "task_directions": ("Task-specific directions", ("2409.01035",)),
    "findings": ("Published findings on a sentence encoder", ()),
    "predictions": ("The predictions of loralab advise", ()),
    "rates": ("The predicted learning rate on ten models and tasks", ()),
    "language": ("Methods on a language model", ()),
    "adapters": ("What adapters of a language model hold", ()),
    "dynamics": ("How OP-LoRA trains on a language model", ("2412.10362",)),
    "curvature": ("Curvature and the best learning rate, on a language model", ()),
    "gaps": ("Generalization gaps on a language model", ("2402.16842",)),
    "ranks": ("The largest learning rate over the rank, on a language model", ()),
}


def titled(stem: str) -> tuple[str, tuple[str, ...]]:
    """The title of a family and the sources that its page names first; a new family has its stem
    for a title."""
    return FAMILIES.get(stem, (stem, ()))


@cache
def families() -> dict[str, tuple[Proxy, tuple[Row, ...]]]:
    """Every family with its claims beside their recorded evidence."""
    return {proxy.stem: (proxy, tuple(rows_of(proxy, read(proxy.stem)))) for proxy in proxies()}


def rows() -> Iterator[tuple[str, Row]]:
    """Every claim beside its evidence, with the family that it is in."""
    for stem, (_, found) in families().items():
        yield from ((stem, row) for row in found)


def row_of(id: str) -> Row:
    return next(row for _, row in rows() if row.claim.id == id)


def about(names: tuple[str, ...]) -> list[tuple[str, Row]]:
    """The claims whose sentence has one of these names, each a regular expression."""
    if not names:
        return []
    named = re.compile(rf"(?<![\w-])({'|'.join(names)})(?![\w-])")
    return [(stem, row) for stem, row in rows() if named.search(row.claim.statement)]


def verdict(row: Row) -> str:
    return str(row.verdict or "not measured yet")


def link(stem: str, claim: Claim, up: str = "../") -> str:
    """A claim's id, linked to its place on the page of its family."""
    return f"[{claim.id}]({up}ledger/{stem}.md#{claim.id.lower()})"


def linked(text: str, up: str = "../") -> str:
    """A text with the ids of claims in it as links."""
    known = {row.claim.id: link(stem, row.claim, up) for stem, row in rows()}
    return re.sub(r"(?<![\w\[#-])([A-Z]+\d+[a-z]?)(?!\w)", lambda m: known.get(m[1], m[1]), text)
