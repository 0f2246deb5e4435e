"""Figures of the generalization bounds: the chain against the true gap, and certificates of
adapters of 8 x 8 images."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers; what is bounded is always black.
BLUE, ORANGE, GREEN, RED, SKY, PINK, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#CC79A7",
    "#777777",
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
        axes.plot([i - 0.35, i + 0.35], [np.median(ratios)] * 2, color="black", lw=1)
    axes.axhline(1, color="black", lw=1, ls="--")
    axes.set(yscale="log", ylabel="bound over the true gap", title=f"every problem, $n={largest}$")
    axes.set_xticks(
        range(len(STYLES)),
        [data["titles"][name] for name in STYLES],
        rotation=35,
        ha="right",
        fontsize=8,
    )
    # the right panel has the colours and markers of these labels
    for label, (colour, _) in zip(axes.get_xticklabels(), STYLES.values(), strict=True):
        label.set_color(colour)
    axes.tick_params(axis="x", length=0)


def _over_samples(axes: Axes, data: dict[str, Any]) -> None:
    sizes = sorted(set(_column(data["noisy"], "n")))
    for name, (colour, marker) in STYLES.items():
        means = [np.mean(_column(data["noisy"], name, n=n, variant="BA")) for n in sizes]
        axes.plot(sizes, means, marker + "-", color=colour, ms=3.5, lw=1)
    gap = [float(np.mean(_column(data["noisy"], "gap", n=n, variant="BA"))) for n in sizes]
    axes.plot(sizes, gap, "-", color="black", lw=1.5)
    axes.text(sizes[0], 0.8 * gap[0], "true gap", va="top", fontsize=8)
    axes.set(
        yscale="log",
        xlabel="training samples $n$",
        ylabel="bound",
        title="both factors trained",
        xticks=sizes,
    )
    axes.set_yticks([0.3, 0.5, 1, 1.5], ["0.3", "0.5", "1", "1.5"])
    axes.minorticks_off()


def chain(data: dict[str, Any]) -> Figure:
    """Bounds on the generalization gap. Left: each bound over the true gap, a mark for each problem
    at the largest number of samples, a black line at the median; 1 (dashed) is the gap itself.
    Right: the mean of each bound over problems against the number of samples, both factors trained,
    beside the true gap (black); colours and markers are those of the labels on the left."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.5, 3.0), layout="constrained")
    _looseness(left, data)
    _over_samples(right, data)
    return figure


def certificates(data: dict[str, Any]) -> Figure:
    """Error of adapters by which factors are trained: the error that is certified with 95 %
    probability, the test error and the training error. A mark is a split of the digits, or a sample
    of drawn images; the dashed line is chance."""
    sources = list(dict.fromkeys(record["images"] for record in data["images"]))
    figure, panels = plt.subplots(
        1, len(sources), figsize=(7.5, 2.9), layout="constrained", sharey=True, squeeze=False
    )
    for axes, source in zip(panels[0], sources, strict=True):
        _certified(axes, [one for one in data["images"] if one["images"] == source], data)
        axes.set_title(source)
    panels[0][0].set_ylabel("error")
    panels[0][0].legend(fontsize=8, loc="lower left")
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
            (-0.15, bound, "certificate, 95 %", {"color": RED, "marker": "_", "ms": 6}),
            (0.0, test, "test error", {"color": "black", "marker": "o", "ms": 4}),
            (0.15, train, "training error", {"color": BLUE, "marker": "x", "ms": 4}),
        ):
            axes.plot([i + shift] * len(values), values, lw=0, label=None if i else label, **style)
    axes.axhline(0.9, color=GREY, lw=1, ls="--")
    axes.text(len(variants) - 0.5, 0.91, "chance", ha="right", va="bottom", fontsize=8, color=GREY)
    axes.set_xticks(
        range(len(variants)),
        [data["trained"][variant].replace(", ", ",\n") for variant in variants],
    )
    axes.set(ylim=(0, 1), xlim=(-0.5, len(variants) - 0.5))
    axes.tick_params(axis="x", labelsize=8)


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    return {"chain": chain(data), "certificates": certificates(data)}
