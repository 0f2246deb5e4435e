"""Figures of OP-LoRA on matrix factorisation: final excess loss against learning rate, and excess
loss against step at the best learning rate.

Only the methods that carry the argument are drawn: the table has the others.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figs.panels import BLACK, BLUE, GREEN, GREY, RED, legend_below, letter, panels

# a dash pattern each, so that neither hue nor print decides
LINES = {  # drawn in this order, the argument's two last
    "direct, large A": ("LoRA, A as large as OP-LoRA's", GREY, (0, (1, 1))),
    "OP linear": ("OP-LoRA, linear", BLUE, (0, (4, 1.5))),
    "ScaledGD": ("ScaledGD (by SGD only)", GREEN, (0, (6, 1.5, 1, 1.5))),
    "direct": ("LoRA", BLACK, "-"),
    "OP bias": ("OP-LoRA", RED, (0, (8, 1))),
}
BANDED = ("direct", "OP bias")
OPTIMIZERS = ("SGD", "momentum", "Adam")
TARGETS = {
    "gauss": "full rank",
    "ill": "condition number 100",
    "well": "condition number 1",
    "digits": "digits",
}
GOOD = 1e-4
BOTTOM = 3e-14
TOP = 3.0  # a larger excess is no use to anyone


def rates(data: dict[str, Any]) -> Figure:
    """Final relative excess loss against the learning rate: a row of panels for each target, a
    column for each optimizer. Lines are medians over seeds: {seeds} of what claims compare, LoRA
    and OP-LoRA in (a) to (f), OP-LoRA, linear, in (a) and ScaledGD in (d), and 4 of all else. Bands
    are from the least to the largest seed. A line stops where some seed diverges; a ring marks a
    method's best learning rate. The grey line is the loss that counts as reached. 1e-13 is
    rounding: there curves coincide. Larger losses than 3 are outside the frame."""
    return _grid(data, _against_rate)


def steps(data: dict[str, Any]) -> Figure:
    """Relative excess loss against the training step, each method at its best learning rate: a row
    of panels for each target, a column for each optimizer. Lines are medians over seeds: {seeds} of
    what claims compare, LoRA and OP-LoRA in (a) to (f), OP-LoRA, linear, in (a) and ScaledGD in
    (d), and 4 of all else. Bands are from the least to the largest seed. 1e-13 is rounding: there
    curves coincide, as some do before. Larger losses than 3 are outside the frame."""
    return _grid(data, _against_step)


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    return {"rates": rates(data), "steps": steps(data)}


def _grid(data: dict[str, Any], draw: Any) -> Figure:
    """A row of panels for each target, a column for each optimizer, and one legend for all."""
    series = [line for method in LINES for line in data["series"] if line["method"] == method]
    targets = sorted({line["target"] for line in series})
    height = 1.85 * len(targets) + 0.65
    figure, axes = panels(len(targets), 3, (6.8, height), sharex="col", sharey=True)
    for i, panel in enumerate(axes):
        target, optimizer = targets[i // 3], OPTIMIZERS[i % 3]
        draw(
            panel,
            [line for line in series if (line["target"], line["optimizer"]) == (target, optimizer)],
        )
        panel.set(ylim=(BOTTOM, TOP), title=optimizer)
        if i % 3 == 0:
            panel.set_ylabel(f"{TARGETS[target]}\nrelative excess loss")
    letter(axes)
    legend_below(figure, axes, 3, handlelength=3.2)
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
        ax.set_xlabel("training steps + 1")


def _median(ax: Axes, x: Any, line: dict[str, Any], method: str) -> str:
    """Draws one method's line, and its band where it has one; gives its colour."""
    label, colour, dashes = LINES[method]
    median, low, high = (np.array(line[name], float) for name in ("median", "low", "high"))
    ax.plot(x, median, color=colour, ls=dashes, lw=1.2, label=label)
    if method in BANDED:
        ax.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
    return colour
