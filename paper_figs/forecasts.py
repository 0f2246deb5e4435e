"""Figure of the forecasts: validation loss against the learning rate, with the rate foretold and the bound on it."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00")  # of Okabe and Ito, told apart by colour-blind readers, as are the markers
MARKERS = ("o", "s")


def rates(data: dict[str, Any]) -> Figure:
    """A panel a model. Solid line: the mean over seeds; dashed: the rate foretold; dotted: the bound."""
    figure, panels = plt.subplots(1, len(data), figsize=(3.3 * len(data), 2.6), layout="constrained", squeeze=False)
    for panel, (model, methods) in zip(panels[0], data.items(), strict=True):
        for (name, found), colour, marker in zip(methods.items(), COLOURS, MARKERS, strict=True):
            panel.plot(*zip(*found["losses"], strict=True), marker + "-", color=colour, ms=4, lw=1, label=name)
            for what, style in (("rate", "--"), ("bound", ":")):
                if found[what] is not None:
                    panel.axvline(found[what], color=colour, lw=1, ls=style)
        panel.set(xscale="log", title=model, xlabel="learning rate")
        panel.legend(fontsize=7)
    panels[0][0].set_ylabel("validation loss")
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    """None of the reduced size, which sweeps nothing."""
    return {"rates": rates(data)} if data else {}
