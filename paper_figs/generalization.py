"""Figures of the generalization bounds: the chain against the true gap, and certificates of
adapters of 8 x 8 images."""

from typing import Any

import matplotlib.pyplot as plt
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
    legend_below,
    letter,
    panels,
    plain,
)

STYLES = {
    "bits": (GREY, "x"),
    "class": (SKY, "v"),
    "entropy": (BLUE, "o"),
    "individual": (GREEN, "s"),
    "conditional": (PINK, "^"),
    "evaluated": (ORANGE, "D"),
    "difference": (RED, "P"),
}


def _column(records: list[dict[str, Any]], name: str, **where: Any) -> list[float]:
    return [
        record[name]
        for record in records
        if all(record[key] == value for key, value in where.items())
    ]


def _looseness(axes: Axes, data: dict[str, Any]) -> None:
    largest = max(record["n"] for record in data["noisy"])
    last = [record for record in data["noisy"] if record["n"] == largest]
    gap = np.array(_column(last, "gap"))
    for i, (name, (colour, marker)) in enumerate(STYLES.items()):
        ratios = np.array(_column(last, name)) / gap
        shift = np.linspace(-0.25, 0.25, len(ratios))  # side by side, so that none hides another
        axes.plot(i + shift, ratios, marker, color=colour, ms=3, mew=0.8)
        axes.plot([i - 0.35, i + 0.35], [np.median(ratios)] * 2, color=BLACK, lw=1)
    axes.axhline(1, color=BLACK, lw=1, ls="--")
    axes.set(yscale="log", ylabel="bound over the true gap", title=f"every problem, $n={largest}$")
    axes.set_xticks([])
    plain(axes.yaxis)


def _over_samples(axes: Axes, data: dict[str, Any]) -> None:
    sizes = sorted(set(_column(data["noisy"], "n")))
    for name, (colour, marker) in STYLES.items():
        means = [np.mean(_column(data["noisy"], name, n=n, variant="BA")) for n in sizes]
        label = data["titles"][name]
        axes.plot(sizes, means, marker + "-", color=colour, ms=3.5, lw=1, label=label)
    gap = [float(np.mean(_column(data["noisy"], "gap", n=n, variant="BA"))) for n in sizes]
    axes.plot(sizes, gap, "-", color=BLACK, lw=1.5, label="true gap")
    axes.set(yscale="log", xlabel="training samples $n$", xticks=sizes)
    axes.set(ylabel="gap, and bounds on it", title="both factors trained")
    plain(axes.yaxis)


def chain(data: dict[str, Any]) -> Figure:
    """Bounds on the generalization gap, in the order of the legend: CMI is mutual information that
    is conditional on a supersample, e-CMI that of the evaluated losses, ld-MI that of loss
    differences. (a) Each bound over the true gap at the largest number of samples; a mark for each
    of {seeds} problems with B, A or both factors trained, side by side, and a black line at the
    median; 1 (dashed) is the gap itself. (b) The mean of each bound over the {seeds} problems with
    both factors trained, against the number of samples, above the true gap (black). No intervals
    are drawn: a bound holds for each problem, and (a) shows how they spread."""
    figure, (left, right) = panels(1, 2, (6.5, 3.3))
    _looseness(left, data)
    _over_samples(right, data)
    letter((left, right))
    legend_below(figure, [right], 4, fontsize=7)
    return figure


def certificates(data: dict[str, Any]) -> Figure:
    """Error of adapters by which factors are trained: the error that is certified with 95 %
    probability, the test error and the training error, side by side. (a) {splits} splits of the
    digits. (b) {images} independent samples of drawn images. A mark is one adapter, of which the
    best of its certificates is drawn; the dashed line is the error by chance."""
    sources = list(dict.fromkeys(record["images"] for record in data["images"]))
    figure, axes = panels(1, len(sources), (7.0, 3.2), sharey=True)
    for panel, source in zip(axes, sources, strict=True):
        _certified(panel, [one for one in data["images"] if one["images"] == source], data)
        panel.set_title(source)
    axes[0].set_ylabel("share of images classified wrongly")
    letter(axes)
    chance = plt.Line2D([], [], color=GREY, lw=1, ls="--", label="chance")
    legend_below(figure, axes, 4, [chance])
    return figure


def _certified(axes: Axes, images: list[dict[str, Any]], data: dict[str, Any]) -> None:
    variants = list(dict.fromkeys(record["variant"] for record in images))
    for i, variant in enumerate(variants):
        records = [record for record in images if record["variant"] == variant]
        test, train = (
            [record[part][record["by"]] for record in records] for part in ("test", "train")
        )
        bound = _column(records, "bound")
        for shift, values, label, style in (
            (-0.15, bound, "certified error, 95 %", {"color": RED, "marker": "_", "ms": 6}),
            (0.0, test, "test error", {"color": BLACK, "marker": "o", "ms": 4, "mfc": "none"}),
            (0.15, train, "training error", {"color": BLUE, "marker": "x", "ms": 4}),
        ):
            axes.plot([i + shift] * len(values), values, lw=0, label=None if i else label, **style)
    axes.axhline(0.9, color=GREY, lw=1, ls="--")
    axes.set_xticks(
        range(len(variants)),
        [data["trained"][variant].replace(", ", ",\n") for variant in variants],
    )
    axes.set(ylim=(0, 1), xlim=(-0.5, len(variants) - 0.5))
    axes.tick_params(axis="x", labelsize=8)


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    return {"chain": chain(data), "certificates": certificates(data)}
