"""Figures of the asymmetry family: what one trained factor explains, which to freeze, and accuracy
of small classifiers."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers; the theory is always black.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#777777"


NAMES = {
    "1/i^2": "$i^{-2}$",
    "1/i": "$i^{-1}$",
    "1/i, D on the bottom 8": "$i^{-1}$, $D$ on the bottom 8",
}
# the methods that the claims compare: label, colour, marker
COMPARED = {
    ("BA", "random", 8): ("both, rank 8", "black", "s"),
    ("BA", "random", 4): ("both, rank 4", GREY, "s"),
    ("B", "orthonormal", 8): ("B, rank 8", BLUE, "o"),
    ("A", "orthonormal", 8): ("A, rank 8", ORANGE, "D"),
}


def explained(data: dict[str, Any]) -> Figure:
    """Least squares with one trained factor. Left: the measured share of the wanted change that
    training B (filled) or A (open) explains, a mean over draws, against the rank in three cases;
    lines are what theory predicts, dashed for A. Right: measured over predicted share in ten cases
    at three ranks; 1 is exact. No intervals are drawn: the checks have them."""
    figure, panels = plt.subplots(1, 2, figsize=(6.5, 2.8), layout="constrained")
    left, right = panels
    cases = (("1/i^2", GREEN, "D"), ("1/i", BLUE, "o"), ("1/i, D on the bottom 8", RED, "v"))
    for case, colour, marker in cases:
        records = [r for r in data["explained"] if r["case"] == case]
        ranks = [r["rank"] for r in records]
        left.plot(ranks, [r["predicted"] for r in records], color="black", lw=0.8, zorder=1)
        left.plot(
            ranks,
            [r["B"] for r in records],
            marker,
            color=colour,
            ms=5,
            label=f"B trained, {NAMES[case]}",
        )
        if case == "1/i":
            left.plot(
                ranks,
                [r["A"] for r in records],
                "s",
                color=ORANGE,
                ms=5,
                mfc="none",
                label="A trained, any",
            )
            left.plot(
                ranks, [r["rank"] / 64 for r in records], color="black", lw=0.8, ls="--", zorder=1
            )
    left.set(
        xscale="log",
        yscale="log",
        xlabel="rank $r$",
        ylabel="explained share of $T$",
        title="lines: predicted",
    )
    left.set_xticks([1, 4, 16], ["1", "4", "16"])
    left.minorticks_off()
    left.set_ylim(1e-4, 2)
    left.legend(fontsize=7, loc="lower right")
    for rank, colour, marker in ((1, RED, "v"), (4, BLUE, "o"), (16, GREEN, "D")):
        records = [r for r in data["explained"] if r["rank"] == rank]
        ratios = [r["B"] / r["predicted"] for r in records]
        right.plot(
            [r["predicted"] for r in records],
            ratios,
            marker,
            color=colour,
            ms=4,
            label=f"$r={rank}$",
        )
    right.axhline(1, color="black", lw=0.8)
    right.set(
        xscale="log",
        xlabel="predicted share, B trained",
        ylabel="measured / predicted",
        ylim=(0.88, 1.12),
    )
    right.set_title("ten cases")
    right.legend(fontsize=7, loc="lower left", ncols=3)
    return figure


def sign(data: dict[str, Any]) -> Figure:
    """Which factor to train. Left: a statistic of the change and the inputs against the ratio of
    what B and A explain, a point for each case and rank. Right: on unseen cases, the gain of
    training B that moments predict against the gain that was measured, a point for each case. A
    rule is right in the lower left and the upper right quarter."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.5, 2.8), layout="constrained")
    for rank, colour, marker in ((1, RED, "v"), (4, BLUE, "o"), (16, GREEN, "D")):
        points = np.array([point[:2] for point in data["sign"] if point[2] == rank]).reshape(-1, 2)
        left.plot(*points.T, marker, color=colour, ms=4, label=f"$r={rank}$")
    _quarters(left, 1, 1)
    left.set(xscale="log", yscale="log", xlabel=r"$\kappa\, d_{out} / \mathrm{Tr}\,\Sigma$")
    left.set(ylabel="explained: B trained / A trained", title="sign condition")
    left.legend(fontsize=7, loc="upper left")
    styles = {
        "least squares": (GREY, "o", "least squares"),
        "networks": (BLUE, "D", "regression"),
        "digits, rank 8": (RED, "v", "digits, $r=8$"),
        "synthetic, 64 classes, rank 8": (GREEN, "^", "64 classes, $r=8$"),
    }
    for kind, (colour, marker, label) in styles.items():
        points = np.array(data["advice"][kind]).reshape(-1, 2)
        right.plot(
            *points.T,
            marker,
            color=colour,
            ms=3.5,
            alpha=0.8,
            mew=0,
            label=label if points.size else None,
        )
    _quarters(right, 0, 0)
    right.set(xlabel="predicted gain of training B", ylabel="gain of training B")
    right.set_title("unseen cases")
    right.legend(fontsize=7, loc="upper left")
    return figure


def _quarters(axes: Axes, x: float, y: float) -> None:
    """Lines that part right from wrong: a rule is right in the lower left and upper right
    quarters."""
    axes.axhline(y, color="black", lw=0.6, zorder=0)
    axes.axvline(x, color="black", lw=0.6, zorder=0)


def classifiers(data: dict[str, Any]) -> Figure:
    """Test accuracy of small classifiers by data and method, each method at the learning rate that
    validation chose. Points are means over networks, bars 95 % intervals."""
    figure, axes = plt.subplots(figsize=(6.5, 2.6), layout="constrained")
    places = {(name, samples): i for i, (name, samples) in enumerate(reversed(data["data"]))}
    for shift, (method, (label, colour, marker)) in enumerate(COMPARED.items()):
        rows = [r for r in data["methods"] if _method(r) == method]
        middle = np.array([r["accuracy"] for r in rows])
        bars = [middle - [r["low"] for r in rows], [r["high"] for r in rows] - middle]
        heights = [places[r["data"], r["samples"]] + 0.24 - 0.16 * shift for r in rows]
        style: dict[str, Any] = {"fmt": marker, "color": colour, "ms": 4, "lw": 1, "label": label}
        axes.errorbar(middle, heights, xerr=bars, **style)
    names = [f"{name}\n{samples} samples" for name, samples in places]
    axes.set_yticks(range(len(places)), names, fontsize=8)
    axes.set(xlabel="test accuracy, 95 % interval", xlim=(0, 1))
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _method(row: dict[str, Any]) -> tuple[str, str, int]:
    return row["trained"], row["initialization"], row["rank"]


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    return {"explained": explained(data), "sign": sign(data), "classifiers": classifiers(data)}
