"""Figures of the asymmetry family: what one trained factor explains, which to freeze, and accuracy
of small classifiers."""

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
    RED,
    SMALL,
    legend_below,
    letter,
    panels,
)

CASES = {
    "1/i^2": ("variances $i^{-2}$", GREEN, "D"),
    "1/i": ("variances $i^{-1}$", BLUE, "o"),
    "1/i, D on the bottom 8": ("$i^{-1}$, change of the last 8", RED, "v"),
}
BY_RANK = ((1, RED, "v"), (4, BLUE, "o"), (16, GREEN, "D"))
# the methods that the claims compare: label, colour, marker
COMPARED = {
    ("BA", "random", 8): ("both trained, rank 8", BLACK, "s"),
    ("BA", "random", 4): ("both trained, rank 4", GREY, "p"),
    ("B", "orthonormal", 8): ("B trained, A orthonormal, rank 8", BLUE, "o"),
    ("A", "orthonormal", 8): ("A trained, B orthonormal, rank 8", ORANGE, "D"),
}
KINDS = {
    "least squares": (GREY, "o", "least squares"),
    "networks": (BLUE, "D", "regression"),
    "digits, rank 8": (RED, "v", "digits"),
    "synthetic, 64 classes, rank 8": (GREEN, "^", "64 classes"),
}


def explained(data: dict[str, Any]) -> Figure:
    """Least squares with one trained factor beside a frozen random one. (a) The share of the wanted
    change that is explained, against the rank, in three of ten cases: 64 inputs of the variances
    i^-2 or i^-1, and a change that acts on all inputs or on the last 8. Lines are predicted, dashed
    for A, whose share is r/out in every case. (b) The measured share over the predicted one in all
    ten cases, B trained; at 1 they are equal. Points are means over {draws} draws, without
    intervals, which the claims have."""
    figure, (left, right) = panels(1, 2, (6.5, 3.0))
    for case, (label, colour, marker) in CASES.items():
        records = [r for r in data["explained"] if r["case"] == case]
        ranks, predicted, B = ([r[name] for r in records] for name in ("rank", "predicted", "B"))
        left.plot(ranks, predicted, color=BLACK, lw=0.8, zorder=1)
        left.plot(ranks, B, marker, color=colour, ms=5, label=f"B trained, {label}")
        if case == "1/i":
            A = [r["A"] for r in records]
            left.plot(ranks, A, "s", color=ORANGE, ms=5, mfc="none", label="A trained, any case")
            left.plot(ranks, np.divide(ranks, 64), color=BLACK, lw=0.8, ls="--", zorder=1)
    left.set(xscale="log", yscale="log", xlabel="rank $r$", ylim=(1e-4, 2))
    left.set(ylabel="share of the change explained", title="three cases, lines: predicted")
    left.set_xticks([1, 4, 16], ["1", "4", "16"])
    left.minorticks_off()
    left.legend(fontsize=7, loc="lower right")
    for rank, colour, marker in BY_RANK:
        records = [r for r in data["explained"] if r["rank"] == rank]
        predicted = [r["predicted"] for r in records]
        ratios = np.divide([r["B"] for r in records], predicted)
        right.plot(predicted, ratios, marker, color=colour, ms=4, label=f"$r={rank}$")
    right.axhline(1, color=BLACK, lw=0.8)
    right.set(xscale="log", xlabel="predicted share of the change", ylim=(0.88, 1.12))
    right.set(ylabel="measured / predicted", title="all ten cases, B trained")
    right.legend(fontsize=SMALL, loc="lower left", ncols=3)
    letter((left, right))
    return figure


def sign(data: dict[str, Any]) -> Figure:
    """Which factor to train. (a) The share that B explains over the share that A explains, against
    kappa out / Tr S, in ten cases at each of three ranks: S is the covariance of the inputs, kappa
    its mean weighted by the change (the claims have the formula); means over {draws} draws. (b) On
    unseen cases, the gain of training B and not A that moments predict against the one measured, a
    point for each case that is decided, of {unseen} of least squares (share of the change) and
    {unseen} of regression (share of the test loss), and for each layer of {splits} classifiers of
    rank 8 (test accuracy). A rule is right in the lower left and the upper right quarter, and wrong
    in the other two."""
    figure, (left, right) = panels(1, 2, (6.5, 3.0))
    for rank, colour, marker in BY_RANK:
        points = np.array([point[:2] for point in data["sign"] if point[2] == rank]).reshape(-1, 2)
        size = {1: 6, 4: 4, 16: 4}[rank]
        left.plot(*points.T, marker, color=colour, ms=size, mfc="none", label=f"$r={rank}$")
    _quarters(left, 1, 1)
    left.set(xscale="log", yscale="log", xlabel=r"$\kappa\,$out$\,/\,$Tr$\,S$")
    left.set(ylabel="explained: B trained / A trained", title="a rule for least squares")
    left.legend(fontsize=SMALL, loc="upper left")
    for kind, (colour, marker, label) in KINDS.items():
        points = np.array(data["advice"][kind]).reshape(-1, 2)
        style: dict[str, Any] = {"color": colour, "ms": 3.5, "alpha": 0.8, "mew": 0}
        right.plot(*points.T, marker, label=label if points.size else None, **style)
    _quarters(right, 0, 0)
    right.set(xlabel="predicted gain of training B", ylabel="measured gain of training B")
    right.set_title("advice, unseen cases")
    right.legend(fontsize=SMALL, loc="upper left")
    letter((left, right))
    return figure


def _quarters(axes: Axes, x: float, y: float) -> None:
    """Lines that part right from wrong: a rule is right in the lower left and upper right
    quarters."""
    axes.axhline(y, color=BLACK, lw=0.6, zorder=0)
    axes.axvline(x, color=BLACK, lw=0.6, zorder=0)


def classifiers(data: dict[str, Any]) -> Figure:
    """Test accuracy of small classifiers by data and method, each method at the learning rate that
    validation chose. A frozen factor is random and orthonormal. Points are means over {splits}
    networks, bars their 95 % intervals, which for digits allow for splits of one data set."""
    figure, (axes,) = panels(1, 1, (6.5, 3.0))
    places = {(name, samples): i for i, (name, samples) in enumerate(reversed(data["data"]))}
    for shift, (method, (label, colour, marker)) in enumerate(COMPARED.items()):
        rows = [r for r in data["methods"] if _method(r) == method]
        middle = np.array([r["accuracy"] for r in rows])
        bars = [middle - [r["low"] for r in rows], [r["high"] for r in rows] - middle]
        heights = [places[r["data"], r["samples"]] + 0.24 - 0.16 * shift for r in rows]
        style: dict[str, Any] = {"fmt": marker, "color": colour, "ms": 4, "lw": 1, "label": label}
        axes.errorbar(middle, heights, xerr=bars, **style)
    names = [f"{name}\n{samples} samples" for name, samples in places]
    axes.set_yticks(range(len(places)), names, fontsize=SMALL)
    axes.set(xlabel="test accuracy, 95 % interval", xlim=(0, 1))
    legend_below(figure, [axes], 2)
    return figure


def _method(row: dict[str, Any]) -> tuple[str, str, int]:
    return row["trained"], row["initialization"], row["rank"]


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    return {"explained": explained(data), "sign": sign(data), "classifiers": classifiers(data)}
