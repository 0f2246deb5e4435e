"""Figure of the best learning rate over the curvature of the loss, on a language model."""

from statistics import geometric_mean
from typing import Any

from matplotlib.figure import Figure

from paper_figs.panels import CURVES, legend_below, panels


def rates(data: dict[str, Any]) -> Figure:
    """Best learning rate of a method over the largest eigenvalue of the loss's Hessian before its
    first step, on SmolLM2-135M: a mark for each of {seeds} seeds. Dotted: the inverse of the
    eigenvalue, as for gradient descent, through the geometric mean of LoRA,
    as far as there are learning rates."""
    figure, [axis] = panels(1, 1, (5, 3.6))
    for (colour, marker, _), (name, of) in zip(CURVES, data.items(), strict=False):
        axis.plot(of["eigenvalues"], of["rates"], marker, color=colour, mfc="none", label=name)
    axis.set(xscale="log", yscale="log")
    shown = axis.get_ylim()
    eigenvalue, rate = (geometric_mean(data["LoRA"][key]) for key in ("eigenvalues", "rates"))
    every = [value for of in data.values() for value in of["eigenvalues"]]
    ends = [min(every), max(every)]
    axis.plot(ends, [rate * eigenvalue / end for end in ends], ":", color="grey", zorder=0)
    axis.set(xlabel="largest eigenvalue of the Hessian", ylabel="best learning rate", ylim=shown)
    legend_below(figure, [axis], 5)
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    """None of the reduced size."""
    return {"rates": rates(data)} if data else {}
