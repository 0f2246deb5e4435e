"""Figures of the generalisation bounds: the chain against the true gap, and certificates of adapters of digits."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers; what is bounded is always black.
BLUE, ORANGE, GREEN, RED, SKY, PINK, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#777777"
STYLES = {
    "bits": (GREY, "x"),
    "class": (SKY, "v"),
    "entropy": (BLUE, "o"),
    "individual": (GREEN, "s"),
    "conditional": (PINK, "^"),
    "evaluated": (ORANGE, "D"),
    "difference": (RED, "P"),
}
WORDS = {"B": "B only", "A": "A only", "BA": "both", "B of EVA": "B only,\nA of EVA"}


def _column(records: list[dict[str, Any]], name: str, **where: Any) -> list[float]:
    return [record[name] for record in records if all(record[key] == value for key, value in where.items())]


def _against_gap(axes: Axes, data: dict[str, Any]) -> None:
    largest = max(record["n"] for record in data["noisy"])
    last = [record for record in data["noisy"] if record["n"] == largest]
    for name, title in data["titles"].items():
        colour, marker = STYLES[name]
        axes.plot(_column(last, "gap"), _column(last, name), marker, color=colour, ms=3.5, mew=0.8, label=title)
    ends = np.array([0.5 * min(_column(last, "gap")), 1.3 * max(_column(last, "gap"))])
    axes.plot(ends, ends, color="black", lw=1)
    axes.set(xscale="log", yscale="log", xlabel="true gap", ylabel="bound on it", title=f"every problem, $n={largest}$")


def _over_samples(axes: Axes, data: dict[str, Any]) -> None:
    sizes = sorted(set(_column(data["noisy"], "n")))
    for name in data["titles"]:
        colour, marker = STYLES[name]
        means = [np.mean(_column(data["noisy"], name, n=n, variant="BA")) for n in sizes]
        axes.plot(sizes, means, marker + "-", color=colour, ms=3.5, lw=1)
    gap = [np.mean(_column(data["noisy"], "gap", n=n, variant="BA")) for n in sizes]
    axes.plot(sizes, gap, "-", color="black", lw=1.5)
    axes.text(sizes[-1], 0.95 * gap[-1], "true gap", ha="right", va="top", fontsize=8)
    axes.set(yscale="log", xlabel="training samples $n$", title="both factors trained, means", xticks=sizes)
    axes.set_yticks([0.3, 0.5, 1, 1.5], ["0.3", "0.5", "1", "1.5"], minor=False)
    axes.minorticks_off()


def chain(data: dict[str, Any]) -> Figure:
    """Each bound against the gap, problem by problem, and both against the number of samples."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.5, 3.2), layout="constrained")
    _against_gap(left, data)
    _over_samples(right, data)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=7)
    return figure


def certificates(data: dict[str, Any]) -> Figure:
    """What may be promised of adapters of digits, against their errors; one mark a split."""
    figure, axes = plt.subplots(figsize=(4.2, 2.8), layout="constrained")
    rows = (("bound", "certificate, 95 %", RED, "_"), ("gibbs_test", "test error", "black", "o"),
            ("gibbs_train", "training error", BLUE, "x"))  # fmt: skip
    variants = list(dict.fromkeys(record["variant"] for record in data["digits"]))
    for i, variant in enumerate(variants):
        for shift, (name, title, colour, marker) in zip((-0.15, 0, 0.15), rows, strict=True):
            values = _column(data["digits"], name, variant=variant)
            label = title if i == 0 else None
            axes.plot(
                [i + shift] * len(values), values, marker, color=colour, ms=6 if marker == "_" else 4, label=label
            )
    axes.axhline(0.9, color=GREY, lw=1, ls="--")
    axes.text(len(variants) - 0.5, 0.91, "a guess", ha="right", va="bottom", fontsize=8, color=GREY)
    axes.set_xticks(range(len(variants)), [WORDS[variant] for variant in variants])
    axes.set(ylim=(0, 1), ylabel="error", xlim=(-0.5, len(variants) - 0.5))
    axes.legend(fontsize=8, loc="lower left")
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    return {"chain": chain(data), "certificates": certificates(data)}
