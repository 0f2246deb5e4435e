"""Figures of the gradient-signal family: what initializations capture, how batches change it, what
it is worth in training."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figs.panels import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    RED,
    SKY,
    SMALL,
    legend_below,
    letter,
    panels,
    plain,
)

# label, colour, line, marker; random rows are grey or black
STYLES = {
    "default": ("default (Init[A])", GREY, "-", "X"),
    "same E|Ax|^2": ("random, as large as EVA's", BLACK, ":", "D"),
    "EVA": ("EVA", BLUE, "-", "o"),
    "EVA uncentred": ("EVA, uncentred", SKY, "--", "s"),
    "minor": ("least directions of the inputs", ORANGE, "-", "v"),
    "gradient SVD": ("SVD of the gradient", RED, "-", "^"),
    "gradient_signal": ("gradient signal", GREEN, "-", "D"),
    "PiSSA": ("PiSSA", PINK, "-", "p"),
    "LoRA-GA": ("LoRA-GA", PINK, "--", "P"),
}
OPEN = {"EVA uncentred": 7, "gradient_signal": 4}  # markers that are seen around or inside others
DRAWN = ("EVA uncentred", "default", "EVA", "gradient SVD", "gradient_signal", "minor")
TRAINED = ("default", "EVA", "gradient SVD", "gradient_signal", "same E|Ax|^2", "PiSSA", "LoRA-GA")
PLACES = {"digits": "digits, first layer", "minilm": "MiniLM, first block's wide layer"}
RUNS = {
    "digits adam": "digits",
    "photographs adam": "photographs",
    "docstrings adam": "docstrings (MiniLM layer)",
    "code adam": "code (MiniLM layer)",
}


def _style(name: str) -> dict[str, Any]:
    _, colour, line, marker = STYLES[name]
    size = {"ms": OPEN[name], "mfc": "none"} if name in OPEN else {"ms": 3}
    return {"color": colour, "ls": line, "marker": marker, "lw": 1.2, **size}


def _curve(axes: Axes, x: Any, y: Any, name: str) -> None:
    axes.plot(x, y, label=STYLES[name][0], **_style(name))


def _curves_of(data: dict[str, Any]) -> dict[str, Any]:
    """The layer that is looked into, of each network that was measured."""
    return {
        place: next(one["curves"] for one in layers if one["curves"])
        for place, layers in data["layers"].items()
    }


def signal(data: dict[str, Any]) -> Figure:
    """What initializations capture: the part of the whole gradient signal of a token, Tr Q, that
    rows A of equal length get, Tr(A Q A^T), against the rank, in one layer of each network, of one
    seed and without intervals. EVA, uncentred, has the directions of the second moment. (a) The
    curves of EVA, uncentred, of the gradient's SVD and of the gradient signal nearly coincide. (b)
    They are apart."""
    curves = _curves_of(data)
    figure, axes = panels(1, len(curves), (6.5, 3.0), sharey=True)
    for panel, (place, curve) in zip(axes, curves.items(), strict=True):
        for name in DRAWN:
            _curve(panel, curve["ranks"], curve["by rank"][name], name)
        panel.set(xscale="log", xlabel="rank $r$", title=PLACES[place], ylim=(-0.02, 1.03))
        panel.set_xticks(curve["ranks"], [str(rank) for rank in curve["ranks"]])
        panel.minorticks_off()
    axes[0].set_ylabel("captured share of the signal")
    letter(axes)
    legend_below(figure, axes, 3)
    return figure


def flip(data: dict[str, Any]) -> Figure:
    """The gradient signal of a batch. (a) Signal of EVA over that of the gradient's singular
    vectors in a regression with two inputs, against the batch size: line: theory; points: the two
    batch sizes that were measured, on either side of n*, at which theory has both equal (dashed).
    They are means over {seeds} seeds, with bars of two standard deviations that are shorter than
    the points. (b) The share of the largest signal that a batch of n tokens offers which each
    initialization captures, in one real layer, of one seed, without intervals."""
    curves = _curves_of(data)
    figure, (left, right) = panels(1, 2, (6.5, 3.1))
    found = data["flip"]
    n, moments = np.array(found["batches"]), np.array(found["moments"])
    left.plot(n, moments[:, 0] / moments[:, 1], color=BLACK, lw=1, label="theory")
    for i, (size, ratios) in enumerate(found["measured"]):
        label = "" if i else "measured"
        style: dict[str, Any] = {"fmt": "o", "color": BLUE, "ms": 4, "label": label}
        left.errorbar(size, np.mean(ratios), 2 * np.std(ratios), **style)
    left.axhline(1, color=GREY, lw=0.6)
    left.axvline(found["n"], color=GREY, lw=0.6, ls="--")
    left.text(found["n"] * 1.1, 1.3, f"$n^*={found['n']:.2f}$", ha="left", fontsize=SMALL)
    left.set(xscale="log", xlabel="batch size $n$", title="regression, 2 inputs", xlim=(1, 100))
    left.set_ylabel("signal: EVA / SVD of the gradient")
    left.set_xticks([1, 10, 100], ["1", "10", "100"])
    left.legend(fontsize=SMALL, loc="upper right")
    place, curve = list(curves.items())[-1]
    for name in DRAWN:
        _curve(right, curve["batches"], curve["by batch"][name], name)
    right.set(xscale="log", xlabel="tokens $n$ in a batch", ylim=(-0.02, 1.04))
    right.set(ylabel="share of the largest signal", title=PLACES[place])
    letter((left, right))
    legend_below(figure, [right], 3)
    return figure


def convergence(data: dict[str, Any]) -> Figure:
    """A row for each task, all by Adam. Left, (a), (c) and so on: validation loss against the
    learning rate at the largest number of steps, the mean over the seeds that choose it, without
    intervals; larger losses are outside the frame. Right, (b), (d) and so on: test loss over that
    of the default initialization, each at its own best learning rate, against the number of steps:
    geometric mean over {runs} splits of the digits and {independent} data sets of each other task,
    drawn side by side. Bars are one standard error, about a 68 % interval, and an underestimate on
    digits, whose splits share examples. Random rows are orthogonal, and as long as gives A x the
    size that EVA gives it."""
    runs = {key: title for key, title in RUNS.items() if key in data["tuned"]}
    figure, axes = panels(len(runs), 2, (6.5, 2.5 * len(runs) + 0.5))
    for i, (key, title) in enumerate(runs.items()):
        left, right = axes[2 * i : 2 * i + 2]
        found = data["tuned"][key]
        steps = found["steps"]
        _by_rate(left, found)
        left.set_title(f"{title}, {steps[-1]} steps")
        for k, name in enumerate(TRAINED):
            _over_default(right, found, name, 1.03 ** (k - len(TRAINED) / 2))
        right.set(xscale="log", xlabel="steps", ylabel="test loss over the default's")
        right.set_title("each at its best learning rate")
        right.set_xticks(steps, [str(n) for n in steps])
        right.minorticks_off()
    letter(axes)
    legend_below(figure, [axes[0]], 3)
    return figure


def _by_rate(axes: Axes, found: dict[str, Any]) -> None:
    losses = []
    for name in TRAINED:
        curve = [np.nan if loss is None else loss for loss in found[name]["by rate"][-1]]
        _curve(axes, found[name]["rates"], curve, name)
        losses += curve
    most = min(3 * float(np.nanmedian(losses)), 1.1 * float(np.nanmax(losses)))
    axes.set(xscale="log", yscale="log", ylim=(0.9 * np.nanmin(losses), most))
    axes.set(xlabel="learning rate", ylabel="validation loss")
    plain(axes.yaxis)


def _over_default(axes: Axes, found: dict[str, Any], name: str, shift: float) -> None:
    logs = np.log(np.array(found[name]["test"]) / np.array(found["default"]["test"]))
    middle = np.exp(logs.mean(1))
    half = middle * logs.std(1, ddof=1) / np.sqrt(logs.shape[1]) if name != "default" else 0
    axes.errorbar(np.multiply(found["steps"], shift), middle, half, capsize=2, **_style(name))


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    return {"signal": signal(data), "flip": flip(data), "convergence": convergence(data)}
