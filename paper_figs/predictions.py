"""Figure of the predictions: validation loss against the learning rate, with the predicted rate and
its bound."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

# of Okabe and Ito, told apart by colour-blind readers, as are the markers
COLOURS = ("#0072B2", "#D55E00")
MARKERS = ("o", "s")
LINES = {"rate": "--", "bound": ":"}


def rates(data: dict[str, Any]) -> Figure:
    """A panel a model; losses are means over seeds, and what is foretold its geometric mean."""
    figure, panels = plt.subplots(
        1, len(data), figsize=(3.3 * len(data), 2.6), layout="constrained", squeeze=False
    )
    for panel, (model, methods) in zip(panels[0], data.items(), strict=True):
        for (name, found), colour, marker in zip(methods.items(), COLOURS, MARKERS, strict=True):
            panel.plot(
                *zip(*found["losses"], strict=True),
                marker + "-",
                color=colour,
                ms=4,
                lw=1,
                label=name,
            )
            for what, style in LINES.items():
                if found[what] is not None:
                    panel.axvline(found[what], color=colour, lw=1, ls=style)
        panel.set(xscale="log", title=model, xlabel="learning rate")
        bottom, top = panel.get_ylim()
        panel.set_ylim(top=top + 0.35 * (top - bottom))  # room for the legend
        told = [Line2D([], [], color="black", lw=1, ls=style) for style in LINES.values()]
        handles = [*panel.get_legend_handles_labels()[0], *told]
        panel.legend(
            handles, [*methods, "rate foretold", "bound"], fontsize=7, ncols=2, loc="upper left"
        )
    panels[0][0].set_ylabel("validation loss")
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    """None of the reduced size, which sweeps nothing."""
    return {"rates": rates(data)} if data else {}
