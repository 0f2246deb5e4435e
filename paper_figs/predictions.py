"""Figure of the predictions: validation loss against the learning rate, with the predicted learning
rate and its bound."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from paper_figs.panels import BLACK, BLUE, RED, legend_below, letter, panels

STYLES = {"LoRA": (BLUE, "o"), "EVA": (RED, "s")}
LINES = {"predicted": "--", "bound": ":"}
LABELS = ("predicted learning rate", "bound: a first step lowers the loss")


def rates(data: dict[str, Any]) -> Figure:
    """Validation loss against the learning rate, a panel for each model with the methods that were
    run on it: means over {seeds} seeds, without intervals. Vertical lines, of the colour of the
    method: the predicted learning rate and its bound, geometric means over the seeds."""
    figure, axes = panels(1, len(data), (3.3 * len(data), 3.1))
    for panel, (model, methods) in zip(axes, data.items(), strict=True):
        for name, found in methods.items():
            colour, marker = STYLES[name]
            points = zip(*found["losses"], strict=True)
            panel.plot(*points, marker + "-", color=colour, ms=4, lw=1, label=name)
            for what, style in LINES.items():
                if found[what] is not None:
                    panel.axvline(found[what], color=colour, lw=1, ls=style)
        panel.set(xscale="log", title=model, xlabel="learning rate")
    axes[0].set_ylabel("validation loss")
    letter(axes)
    lines = [
        plt.Line2D([], [], color=BLACK, lw=1, ls=style, label=label)
        for style, label in zip(LINES.values(), LABELS, strict=True)
    ]
    legend_below(figure, axes, 2, lines)
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    """None of the reduced size, which sweeps nothing."""
    return {"rates": rates(data)} if data else {}
