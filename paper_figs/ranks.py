"""Figure of the largest learning rate of a language model's adapter over its rank."""

from statistics import geometric_mean
from typing import Any

from matplotlib.figure import Figure

from paper_figs.panels import BLUE, GREEN, RED, legend_below, letter, panels

STYLES = {"alpha/r": (BLUE, "o"), "alpha/sqrt(r)": (GREEN, "s"), "constant": (RED, "^")}


def largest(data: dict[str, Any]) -> Figure:
    """The largest learning rate at which what adapters of SmolLM2-135M add is no larger than what
    its own weights give, after 8 steps, over the rank; a mark for each of {seeds} seeds. At rank 8
    s is 1 in all cases. Dotted: the power of the rank that theory derives for one layer of infinite
    width, through the geometric mean at rank 8. (a) From the default initialization, Init[A]. (b)
    From Init[B]."""
    figure, axes = panels(1, 2, (7, 3.4), sharey=True)
    ranks = data["ranks"]
    for axis, (name, scales) in zip(axes, data["found"].items(), strict=True):
        for scale, of in scales.items():
            colour, marker = STYLES[scale]
            label = "s constant" if scale == "constant" else f"s = {scale}"
            for k, seed in enumerate(zip(*of["rates"], strict=True)):
                own = "_" if k else label
                axis.plot(ranks, seed, marker, color=colour, mfc="none", ms=4, label=own)
            middle = geometric_mean(of["rates"][1])
            line = [middle * (rank / ranks[1]) ** of["power"] for rank in ranks]
            axis.plot(ranks, line, ":", color=colour)
        axis.set(xscale="log", yscale="log", title=name, xlabel="rank")
        axis.set_xticks(ranks, [str(rank) for rank in ranks])
        axis.set_xticks([], minor=True)
    axes[0].set_ylabel("largest learning rate")
    letter(axes)
    legend_below(figure, axes, 3)
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    """None of the reduced size."""
    return {"largest": largest(data)} if data else {}
