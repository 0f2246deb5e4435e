"""Figures of the findings on a sentence encoder: accuracy against the learning rate, and the
differences that are left where each method has its best one."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers; line styles tell the panels' methods
# apart without them.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#E69F00")
STYLES = ("o-", "s--", "D-.", "v:", "^-")
MARGIN = 0.02
PANELS = {
    "initializations": ("LoRA", "Init[B]", "EVA", "orthogonal"),
    "one factor trained": ("LoRA", "B alone", "A alone", "B alone, rank 16"),
    "variants": ("LoRA", "OP-LoRA", "Dash", "LoRA, rank 16"),
    "Nyström sketches": ("LoRA", "Nyström", "gradient Nyström"),
}


def rates(data: dict[str, Any]) -> Figure:
    """Test accuracy on a sentence encoder against the learning rate, a panel for each group of
    methods: means over the seeds that choose the learning rate. Filled: the one that validation
    chose."""
    figure, panels = plt.subplots(2, 2, figsize=(6.5, 4.6), sharey=True, layout="constrained")
    for panel, (title, names) in zip(panels.flat, PANELS.items(), strict=True):
        for name, colour, style in zip(names, COLOURS, STYLES, strict=False):
            points = data[name]["scores"]
            panel.plot(
                *zip(*points, strict=True), style, color=colour, mfc="white", ms=5, lw=1, label=name
            )
            best = next(point for point in points if point[0] == data[name]["best"])
            panel.plot(*best, style[0], color=colour, ms=6)
        panel.set(xscale="log", title=title)
        panel.legend(fontsize=7, ncols=2, loc="upper left")
    bottom, top = panels[0, 0].get_ylim()
    panels[0, 0].set_ylim(top=top + 0.35 * (top - bottom))  # room for the legends
    for panel in panels[1]:
        panel.set_xlabel("learning rate")
    for panel in panels[:, 0]:
        panel.set_ylabel("test accuracy, mean over seeds")
    return figure


def differences(data: dict[str, Any]) -> Figure:
    """Each method's test accuracy minus LoRA's on unseen seeds, each at its own best learning rate:
    means over seeds, with 95 % intervals. Shaded: within .02."""
    names = [name for name in reversed(data) if data[name]["difference"]]
    figure, axes = plt.subplots(figsize=(5, 0.6 + 0.28 * len(names)), layout="constrained")
    axes.axvspan(-MARGIN, MARGIN, color="#DDDDDD")
    axes.axvline(0, color="black", lw=0.8)
    for y, name in enumerate(names):
        value, low, high = data[name]["difference"]
        axes.plot((low, high), (y, y), color=COLOURS[1], lw=1.5)
        axes.plot(value, y, "o", color=COLOURS[1], ms=5)
    axes.set_yticks(range(len(names)), names)
    axes.locator_params(axis="x", nbins=6)
    axes.set(xlabel="test accuracy minus LoRA's, each at its best learning rate (95 % intervals)")
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    """None of the reduced size, which compares budgets alone."""
    return {"rates": rates(data), "differences": differences(data)} if data else {}
