"""docs/headline.svg, the figure of README.md: drawn by paper_figs/headline.py from the record, and
drawn again only where that or its data are others."""

import hashlib
import importlib
from typing import Any

from loralab.code import ROOT, fingerprint
from loralab.figures import STYLE
from loralab.files import whole
from loralab.recorded import Record
from loralab.store import Run, canonical

FILE = ROOT / "docs" / "headline.svg"
FAMILY = "overparam_generation"
RATE = 1e-4  # the one of the check below
FIXED = ("OP15b", "OP-LoRA, rank 4")
BEST = ("OP15c", "OP-LoRA, rank 4")
LINES = {"target": "new classes", "rank": 4}
METHODS = ("LoRA", "OP-LoRA")


def data(record: Record, run: Run) -> dict[str, Any]:
    """What the figure shows.

    Args:
        record: the recorded checks of FAMILY.
        run: what is kept of it for figures.
    """
    checks = {(line["id"], line["key"]): line for line in record["checks"]}
    ends = lambda name: tuple(checks[name][end] for end in ("value", "low", "high"))
    series = [
        line
        for method in METHODS
        for line in run.result["data"]["series"]
        if all(line[name] == value for name, value in {**LINES, "method": method}.items())
    ]
    return {"lines": series, "at": RATE, "fixed": ends(FIXED), "best": ends(BEST)}


def digest(shown: dict[str, Any]) -> str:
    """What a drawn figure carries, by which one knows what it was drawn from."""
    drawing = fingerprint(ROOT / "paper_figs" / "headline.py")
    return hashlib.sha256((drawing + canonical(shown)).encode()).hexdigest()


def draw(record: Record, run: Run) -> None:
    """Write the figure where it is not of this record."""
    shown = data(record, run)
    mark = digest(shown)
    if FILE.is_file() and mark in FILE.read_text(encoding="utf-8"):
        return
    import matplotlib.pyplot as plt  # takes longer to load than all of loralab

    plt.switch_backend("agg")
    with plt.rc_context(STYLE), whole(FILE) as partial:  # type: ignore[arg-type]
        figure = importlib.import_module("paper_figs.headline").headline(**shown)
        figure.savefig(partial, format="svg", metadata={"Date": None, "Identifier": mark})
        plt.close(figure)
