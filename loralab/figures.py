"""Figures: paper_figs/<stem>.py turns a run's data into pictures, the same bytes for the same
data."""

import hashlib
import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from loralab.code import ROOT, fingerprint, home
from loralab.files import whole
from loralab.store import canonical

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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


class Drawn(NamedTuple):
    """A figure of a family."""

    path: Path
    """of the SVG"""
    shows: str
    """what is seen, for who does not see it"""
    caption: str
    """what is drawn: the docstring of the function that draws it, in which {seeds} stands for that
    field of the run's configuration"""


def draw(stem: str, data: dict[str, Any], folder: Path) -> list[Drawn]:
    """A family's figures in `folder` as SVG (for the report) and PDF (for papers).

    They are drawn only when the data or the drawing code is not what they were last drawn from.
    """
    source = fingerprint(ROOT / "paper_figs" / f"{stem}.py") + canonical(data)
    drawn_from = hashlib.sha256(source.encode()).hexdigest()
    note = folder / f".{stem}.json"
    last = json.loads(note.read_text()) if note.is_file() else {}
    known: dict[str, str] | None = (
        last.get("shown") if last.get("drawn_from") == drawn_from else None
    )
    if known is None or not all(
        path.is_file() for name in known for path in _paths(stem, name, folder)
    ):
        folder.mkdir(parents=True, exist_ok=True)
        note.unlink(missing_ok=True)  # it is true only while the figures are whole
        known = _drawn(stem, data, folder)
        note.write_text(json.dumps({"drawn_from": drawn_from, "shown": known}))
    return [
        Drawn(_paths(stem, name, folder)[0], shows, caption(stem, name))
        for name, shows in known.items()
    ]


def caption(stem: str, name: str) -> str:
    """The docstring of the function that draws a figure: it has the figure's name, or the name up
    to a dash of which the rest says what it is drawn for.

    Raises: ValueError where there is no such function, or no docstring.
    """
    drawing = importlib.import_module(f"paper_figs.{stem}")
    function = getattr(drawing, name.partition("-")[0], None)
    if not (function and function.__doc__):
        raise ValueError(
            f"the figure {name} needs a function of that name in paper_figs/{stem}.py with a "
            "docstring, which is its caption"
        )
    return " ".join(function.__doc__.split())


def shown(figure: "Figure") -> str:
    """What is seen of a figure, in words: of each panel its title, its axes and its labelled
    lines."""
    panels = [words for axes in figure.axes if (words := _panel(axes))]
    outer = [
        part.get_text()
        for part in (figure._supylabel, figure._supxlabel)  # type: ignore[attr-defined]
        if part is not None
    ]
    around = [f"{' against '.join(outer)}."] if outer else []
    panels = list(dict.fromkeys(panels))
    many = f"{len(figure.axes)} panels. " if len(figure.axes) > 1 else ""
    return " ".join(f"{many}{' '.join([*around, *panels])}".replace("$", "").split())


def _panel(axes: "Axes") -> str:
    if not axes.axison:
        return ""
    labels = (axes.get_ylabel(), axes.get_xlabel())
    logs = (axes.get_yscale() == "log", axes.get_xscale() == "log")
    named = [
        f"{label}{' (logarithmic)' if log else ''}"
        for label, log in zip(labels, logs, strict=True)
        if label
    ]
    lines = [label for label in axes.get_legend_handles_labels()[1] if not label.startswith("_")]
    parts = [
        " against ".join(named),
        f"showing {', '.join(dict.fromkeys(lines))}" if lines else "",
    ]
    said = ", ".join(filter(None, parts))
    title = axes.get_title()
    return f"{title}: {said}." if title and said else f"{title or said}." if title or said else ""


def _paths(stem: str, name: str, folder: Path) -> list[Path]:
    """The SVG first."""
    return [folder / f"{stem}-{name}.{kind}" for kind in DATE]


def _drawn(stem: str, data: dict[str, Any], folder: Path) -> dict[str, str]:
    """Draw every figure, and give what is seen of each by its name."""
    import matplotlib.pyplot as plt  # takes longer to load than all of loralab

    plt.switch_backend("agg")
    drawing = importlib.import_module(f"paper_figs.{stem}")
    found = {}
    with plt.rc_context(STYLE):  # type: ignore[arg-type]
        for name, figure in drawing.figures(data).items():
            for path in _paths(stem, name, folder):
                kind = path.suffix[1:]
                with whole(path) as partial:
                    figure.savefig(partial, format=kind, metadata=DATE[kind])
            found[name] = shown(figure)
            plt.close(figure)
    return found
