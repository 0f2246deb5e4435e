"""Figure of the predictions: validation loss against the learning rate, with the predicted learning
rate and its bound."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

# of Okabe and Ito, told apart by colour-blind readers, as are the markers
STYLES = {"LoRA": ("#0072B2", "o"), "EVA": ("#D55E00", "s")}
LINES = {"predicted": "--", "bound": ":"}
LABELS = ["predicted learning rate", "bound: a first step lowers the loss"]


def rates(data: dict[str, Any]) -> Figure:
    """Validation loss against the learning rate, a panel for each model: means over seeds. Vertical
    lines: the predicted learning rate and its bound, geometric means over seeds."""
    figure, panels = plt.subplots(
        1, len(data), figsize=(3.3 * len(data), 2.8), layout="constrained", squeeze=False
    )
    for panel, (model, methods) in zip(panels[0], data.items(), strict=True):
        for name, found in methods.items():
            colour, marker = STYLES[name]
            points = zip(*found["losses"], strict=True)
            panel.plot(*points, marker + "-", color=colour, ms=4, lw=1, label=name)
            for what, style in LINES.items():
                if found[what] is not None:
                    panel.axvline(found[what], color=colour, lw=1, ls=style)
        panel.set(xscale="log", title=model, xlabel="learning rate")
    every = max(panels[0], key=lambda panel: len(panel.get_legend_handles_labels()[1]))
    lines = [Line2D([], [], color="black", lw=1, ls=style) for style in LINES.values()]
    methods, names = every.get_legend_handles_labels()
    figure.legend(
        [*methods, *lines], [*names, *LABELS], loc="outside lower center", ncols=2, fontsize=7
    )
    panels[0][0].set_ylabel("validation loss, mean over seeds")
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    """None of the reduced size, which sweeps nothing."""
    return {"rates": rates(data)} if data else {}
