"""What figures have in common: colours that colour-blind readers tell apart, letters by which a
caption names the panels, legends that hide no curve, and logarithmic axes in plain numbers."""

from collections.abc import Iterable, Mapping, Sequence
from string import ascii_lowercase
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

# Okabe and Ito's colours. A marker or a line style always tells the same without them.
BLACK, BLUE, ORANGE, GREEN, RED, SKY, PINK, GREY = (
    "#000000",
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#CC79A7",
    "#777777",
)
SHADE = "#DDDDDD"
SMALL = 8  # points, of a legend
# of curves in one panel: colour, marker, dashes
CURVES = (
    (BLACK, "o", "-"),
    (BLUE, "s", "--"),
    (RED, "D", "-."),
    (GREEN, "v", ":"),
    (ORANGE, "^", "-"),
    (PINK, "P", "--"),
)


def panels(
    rows: int, columns: int, size: tuple[float, float], **more: Any
) -> tuple[Figure, list[Axes]]:
    """A figure and its panels, row by row.

    Args:
        rows, columns: of the grid.
        size: width and height in inches.
        more: for `plt.subplots`.
    """
    figure, axes = plt.subplots(
        rows, columns, figsize=size, layout="constrained", squeeze=False, **more
    )
    return figure, list(axes.ravel())


def letter(axes: Iterable[Axes]) -> None:
    """(a), (b) and so on before the titles, which are set by now."""
    for name, panel in zip(ascii_lowercase, axes, strict=False):
        panel.set_title(f"({name}) {panel.get_title()}".strip(), fontsize="medium")


def entries(axes: Iterable[Axes]) -> dict[str, Any]:
    """What the panels show, once each: the handle of a legend by its label."""
    found: dict[str, Any] = {}
    for panel in axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return found


def legend_below(
    figure: Figure, axes: Sequence[Axes], columns: int, more: Sequence[Any] = (), **style: Any
) -> Legend:
    """One legend for all panels, below them.

    Args:
        figure: that has the panels.
        axes: whose labelled curves it names.
        columns: of the legend.
        more: handles with labels, of what has none in a panel.
        style: for `Figure.legend`.
    """
    named = entries(axes) | {str(handle.get_label()): handle for handle in more}
    return figure.legend(
        named.values(),
        named.keys(),
        loc="outside lower center",
        ncols=columns,
        **{"fontsize": SMALL, **style},
    )


def swept(
    axes: Axes, curves: Mapping[str, Sequence[Sequence[float]]], best: Mapping[str, float | None]
) -> None:
    """A curve for each method, with its legend below the panel, where it hides no curve; the best
    learning rate is filled.

    Args:
        axes: the panel.
        curves: learning rates and values by method; a method without any is left out.
        best: the best learning rate of each method.
    """
    for (name, points), (colour, marker, dashes) in zip(curves.items(), CURVES, strict=False):
        if not points:
            continue
        style: dict[str, Any] = {"color": colour, "marker": marker}
        at, values = zip(*points, strict=True)
        axes.plot(at, values, ls=dashes, mfc="white", ms=5, lw=1, label=name, **style)
        for point in points:
            if point[0] == best[name]:
                axes.plot(*point, ms=6, **style)
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)


def plain(axis: Axis) -> None:
    """Numbers such as 0.3 instead of powers of ten, on a logarithmic axis of a decade or two, whose
    curves are drawn."""
    low, high = axis.get_view_interval()
    if high < 3 * low:
        axis.set_major_locator(MaxNLocator(5))
    else:
        axis.set_major_locator(
            LogLocator(10, (1, 1.5, 2, 3, 5, 7) if high < 20 * low else (1, 2, 5))
        )
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
