"""Figures of the findings on a sentence encoder: accuracy against the learning rate, and the
differences that are left where each method has its best one."""

from typing import Any

from matplotlib.figure import Figure

from paper_figs.panels import BLACK, BLUE, SHADE, letter, panels, swept

MARGIN = 0.02
REFERENCE = "LoRA"
PANELS = {
    "initializations": ("Init[B]", "EVA", "orthogonal"),
    "one factor trained": ("B alone", "A alone", "B alone, rank 16"),
    "variants": ("OP-LoRA", "Dash", "LoRA, rank 16"),
    "Nyström sketches": ("Nyström", "gradient Nyström"),
}


def rates(data: dict[str, Any]) -> Figure:
    """Test accuracy on a sentence encoder against the learning rate, a panel for each group of
    methods, with LoRA in all: means over the {seeds} seeds that choose the learning rate, without
    intervals. Filled: the one that validation chose. Where curves coincide, the last of the legend
    is on top."""
    figure, axes = panels(2, 2, (6.5, 5.4), sharey=True, sharex=True)
    for panel, (title, names) in zip(axes, PANELS.items(), strict=True):
        curves = {name: data[name]["scores"] for name in (REFERENCE, *names)}
        swept(panel, curves, {name: data[name]["best"] for name in curves})
        panel.set(xscale="log", title=title)
    letter(axes)
    figure.supxlabel("learning rate", fontsize="medium")
    figure.supylabel("test accuracy", fontsize="medium")
    return figure


def differences(data: dict[str, Any]) -> Figure:
    """Each method's test accuracy minus LoRA's, each at its own best learning rate: means over
    {confirm} seeds that have not chosen it, with 95 % intervals, which may be shorter than a point.
    Shaded: within .02 of LoRA."""
    names = [name for name in reversed(data) if data[name]["difference"]]
    figure, (axes,) = panels(1, 1, (5, 0.8 + 0.28 * len(names)))
    axes.axvspan(-MARGIN, MARGIN, color=SHADE)
    axes.axvline(0, color=BLACK, lw=0.8)
    for y, name in enumerate(names):
        value, low, high = data[name]["difference"]
        axes.plot((low, high), (y, y), color=BLUE, lw=1.5)
        axes.plot(value, y, "o", color=BLUE, ms=5)
    axes.set_yticks(range(len(names)), names)
    axes.locator_params(axis="x", nbins=6)
    axes.set(xlabel="test accuracy minus LoRA's", ylim=(-0.7, len(names) - 0.3))
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    """None of the reduced size, which compares budgets alone."""
    return {"rates": rates(data), "differences": differences(data)} if data else {}
