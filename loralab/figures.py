"""Figures: paper_figs/<stem>.py turns a run's data into pictures, the same bytes for the same
data."""

import hashlib
import importlib
import json
from pathlib import Path
from typing import Any

from loralab.code import ROOT, fingerprint, home
from loralab.files import whole
from loralab.store import canonical

# Fixed ids and no date make an SVG reproducible; type 42 keeps PDF text as text.
STYLE = {
    "svg.hashsalt": "loralab",
    "pdf.fonttype": 42,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}
DATE = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def figures_folder(store: Path | None = None) -> Path:
    """Beside the report for the default store, beside the store for another."""
    return store.parent / "figures" if store else home() / "report" / "figures"


def draw(stem: str, data: dict[str, Any], folder: Path) -> list[Path]:
    """A family's figures in `folder` as SVG (for the report) and PDF (for papers); gives the SVG
    paths.

    They are drawn only when the data or the drawing code is not what they were last drawn from.
    """
    source = fingerprint(ROOT / "paper_figs" / f"{stem}.py") + canonical(data)
    drawn_from = hashlib.sha256(source.encode()).hexdigest()
    note = folder / f".{stem}.json"
    last = json.loads(note.read_text()) if note.is_file() else {"drawn_from": "", "names": []}
    if last["drawn_from"] != drawn_from or not all(
        path.is_file() for path in _paths(stem, last["names"], folder)
    ):
        folder.mkdir(parents=True, exist_ok=True)
        note.unlink(missing_ok=True)  # it is true only while the figures are whole
        last = {"drawn_from": drawn_from, "names": _drawn(stem, data, folder)}
        note.write_text(json.dumps(last))
    return [path for path in _paths(stem, last["names"], folder) if path.suffix == ".svg"]


def _paths(stem: str, names: list[str], folder: Path) -> list[Path]:
    return [folder / f"{stem}-{name}.{kind}" for name in names for kind in DATE]


def _drawn(stem: str, data: dict[str, Any], folder: Path) -> list[str]:
    """Draw every figure and give their names."""
    import matplotlib.pyplot as plt  # takes longer to load than all of loralab

    plt.switch_backend("agg")
    drawing = importlib.import_module(f"paper_figs.{stem}")
    names = []
    with plt.rc_context(STYLE):  # type: ignore[arg-type]
        for name, figure in drawing.figures(data).items():
            for path in _paths(stem, [name], folder):
                kind = path.suffix[1:]
                with whole(path) as partial:
                    figure.savefig(partial, format=kind, metadata=DATE[kind])
            plt.close(figure)
            names.append(name)
    return names
