"""Figures: paper_figs/<stem>.py turns a run's data into pictures, the same bytes for the same data."""

import importlib
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from lab.code import home

# Fixed ids and no date make an SVG reproducible; type 42 keeps PDF text as text.
STYLE = {"svg.hashsalt": "loralab", "pdf.fonttype": 42, "font.size": 9, "axes.spines.top": False,
         "axes.spines.right": False, "legend.frameon": False, "figure.constrained_layout.use": True}  # fmt: skip
DATE = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def figures_folder(store: Path | None = None) -> Path:
    """Beside the report for the default store, beside the store for another."""
    return store.parent / "figures" if store else home() / "report" / "figures"


def draw(stem: str, data: dict[str, Any], folder: Path) -> list[Path]:
    """Draw a family's figures into `folder` as SVG (for the report) and PDF (for papers); gives the SVG paths."""
    plt.switch_backend("agg")
    drawing = importlib.import_module(f"paper_figs.{stem}")
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with plt.rc_context(STYLE):  # type: ignore[arg-type]
        for name, figure in drawing.figures(data).items():
            for kind, metadata in DATE.items():
                path = folder / f"{stem}-{name}.{kind}"
                partial = path.with_name(f".{path.name}.partial")
                figure.savefig(partial, format=kind, metadata=metadata)
                partial.replace(path)
            plt.close(figure)
            paths.append(folder / f"{stem}-{name}.svg")
    return paths
