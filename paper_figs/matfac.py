"""Figures of OP-LoRA on matrix factorisation: final excess loss against learning rate, and excess
loss against step at the best learning rate.

Lines are medians over seeds; the two compared methods have a band for the range. A line stops where
some seed diverges; a ring marks each method's best learning rate. Only the methods that carry the
argument are drawn: the table has the others.
"""

from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours, and a dash pattern each, so that neither hue nor print decides.
LINES = {  # drawn in this order, the argument's two last
    "direct, large A": ("LoRA, A as large as OP default", "#999999", (0, (1, 1))),
    "OP linear": ("OP-LoRA, linear", "#0072B2", (0, (4, 1.5))),
    "ScaledGD": ("ScaledGD", "#009E73", (0, (6, 1.5, 1, 1.5))),
    "direct": ("LoRA", "#000000", "-"),
    "OP bias": ("OP-LoRA", "#D55E00", "-"),
}
BANDED = ("direct", "OP bias")
OPTIMIZERS = ("SGD", "momentum", "Adam")
TARGETS = {
    "gauss": "full rank",
    "ill": "condition number 100",
    "well": "condition number 1",
    "digits": "digits",
}
READING = (
    "line: median over seeds (steps: at the best learning rate); band: range; 1e-13 is rounding"
)
GOOD = 1e-4
BOTTOM = 3e-14
TOP = 3.0  # a larger excess is no use to anyone


def rates(data: dict[str, Any]) -> Figure:
    """Final relative excess loss against the learning rate: a row of panels for each target, a
    column for each optimizer. Lines are medians over seeds, bands the range over seeds of the two
    compared methods; a line stops where some seed diverges; a ring marks each method's best
    learning rate; the grey line is the loss that counts as reached."""
    return _grid(data, _against_rate)


def steps(data: dict[str, Any]) -> Figure:
    """Relative excess loss against the step, each method at its best learning rate: a row of panels
    for each target, a column for each optimizer. Lines are medians over seeds, bands the range over
    seeds of the two compared methods."""
    return _grid(data, _against_step)


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    return {"rates": rates(data), "steps": steps(data)}


def _grid(data: dict[str, Any], draw: Any) -> Figure:
    """A row of panels for each target, a column for each optimizer, and one legend for all."""
    series = [line for method in LINES for line in data["series"] if line["method"] == method]
    targets = sorted({line["target"] for line in series})
    height = 1.75 * len(targets) + 0.75
    figure, axes = plt.subplots(
        len(targets), 3, figsize=(6.5, height), sharex="col", sharey=True, squeeze=False
    )
    for row, target in zip(axes, targets, strict=True):
        for ax, optimizer in zip(row, OPTIMIZERS, strict=True):
            chosen = [
                line
                for line in series
                if (line["target"], line["optimizer"]) == (target, optimizer)
            ]
            draw(ax, chosen)
            ax.set_ylim(BOTTOM, TOP)
        row[0].set_ylabel(f"{TARGETS[target]}\nrelative excess loss")
    for ax, optimizer in zip(axes[0], OPTIMIZERS, strict=True):
        ax.set_title(optimizer, fontsize=9)
    handles = dict(_handles(axes.flat))
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=3,
        handlelength=3.2,
        title=READING,
    )
    return figure


def _against_rate(ax: Axes, lines: list[dict[str, Any]]) -> None:
    for line in lines:
        colour = _median(ax, line["rates"], line, line["method"])
        if line["best"] is not None:
            at = line["rates"][line["best"]], line["median"][line["best"]]
            ax.plot(*at, "o", mfc="white", mec=colour, ms=5, mew=1.2, zorder=3, clip_on=False)
    ax.axhline(GOOD, color="#BBBBBB", lw=0.6, zorder=0)
    ax.set(xscale="log", yscale="log")
    if ax.get_subplotspec().is_last_row():  # type: ignore[union-attr]
        ax.set_xlabel("learning rate")


def _against_step(ax: Axes, lines: list[dict[str, Any]]) -> None:
    for line in lines:
        if line["best"] is not None:
            _median(ax, np.array(line["curve"]["step"]) + 1, line["curve"], line["method"])
    ax.set(xscale="log", yscale="log")
    if ax.get_subplotspec().is_last_row():  # type: ignore[union-attr]
        ax.set_xlabel("step + 1")


def _median(ax: Axes, x: Any, line: dict[str, Any], method: str) -> str:
    """Draws one method's line, and its band where it has one; gives its colour."""
    label, colour, dashes = LINES[method]
    median, low, high = (np.array(line[name], float) for name in ("median", "low", "high"))
    ax.plot(x, median, color=colour, ls=dashes, lw=1.2, label=label)
    if method in BANDED:
        ax.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
    return colour


def _handles(axes: Any) -> Iterator[tuple[str, Any]]:
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            yield label, handle
