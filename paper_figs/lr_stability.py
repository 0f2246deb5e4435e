"""Figures of the learning-rate family: learning rates against width, the plane of the two learning
rates, and learning rates taken on to other widths."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours, and a marker each.
STYLES = {
    "init_a": ("Init[A]", "#D55E00", "o"),
    "init_b": ("Init[B]", "#0072B2", "s"),
    "eva": ("EVA", "#009E73", "^"),
    "eva_whitened": ("EVA, whitened", "#CC79A7", "v"),
}
LEVELS = {
    "feature": "largest stable: $Z_B \\leq 1$",
    "mup": "best loss, read-out $1/n$",
    "standard": "best loss, read-out $n^{-1/2}$",
}
EXPONENTS = {
    -0.5: ("$n^{-1/2}$, theory", "#009E73"),
    0.0: ("$n^0$", "#999999"),
    -1.0: ("$n^{-1}$", "#E69F00"),
}


def rates(data: dict[str, Any]) -> Figure:
    """Learning rates against the width on logarithmic axes, one panel for each meaning of the word
    best or stable. Points are means over seeds, bars 95 % intervals; the dashed lines through the
    means have the slopes that theory predicts."""
    figure, panels = plt.subplots(1, 3, figsize=(7.0, 3.1), sharex=True)
    for axes, (level, title) in zip(panels, LEVELS.items(), strict=True):
        for line in data["lines"]:
            if line["level"] == level:
                _rate(axes, line)
        axes.set(title=title, xlabel="width", xticks=range(8, 15, 2))
        axes.set_xticklabels([f"$2^{{{x}}}$" for x in range(8, 15, 2)])
    panels[0].set_ylabel("$\\log_2$ learning rate")
    dashed = plt.Line2D([], [], color="black", ls="--", lw=0.9, label="slope of the theory")
    handles = [*panels[0].get_legend_handles_labels()[0], dashed]
    figure.legend(handles=handles, loc="outside lower center", ncols=5)
    return figure


def _rate(axes: Axes, line: dict[str, Any]) -> None:
    label, colour, marker = STYLES[line["initialization"]]
    x, y = np.log2(line["widths"]), np.array(line["log2 learning rate"])
    bars = [y - line["from"], np.array(line["to"]) - y]
    axes.errorbar(
        x,
        y,
        yerr=bars,
        fmt=marker,
        color=colour,
        ms=7 if marker == "v" else 4,
        lw=1,
        label=label,
        mfc="none" if marker == "v" else colour,
    )
    axes.plot(x, y.mean() + line["predicted"] * (x - x.mean()), color=colour, ls="--", lw=0.9)


def plane(data: dict[str, Any]) -> Figure:
    """The plane of the two learning rates, n^c_A for A and n^c_B for B at width n; a panel for each
    initialization. Shaded: where theory says that Z_B, the adapter's output, stays bounded; green
    line: where both factors train; dotted: one learning rate for both; star: LoRA+. Each number is
    the slope of log Z_B in log n that was measured there: at most 0 is stable."""
    figure, panels = plt.subplots(1, 2, figsize=(7.0, 4.3), sharey=True)
    for axes, (name, region) in zip(panels, data["regions"].items(), strict=True):
        axes.fill(
            *np.array(region["polygon"]).T,
            color="#56B4E9",
            alpha=0.25,
            lw=0,
            label="stable: $Z_B = O(1)$",
        )
        for number, piece in enumerate(region["efficient"]):
            label = {"label": "both factors train"} if number == 0 else {}
            axes.plot(*np.array(piece).T, color="#009E73", lw=2.5, zorder=1, **label)
        axes.plot(
            *[region["box"]] * 2,
            color="black",
            lw=0.8,
            ls=":",
            zorder=0,
            label="one learning rate for both",
        )
        axes.plot(-1, 0, "*", color="#D55E00", ms=19, zorder=2, label="LoRA+")
        for point in data["plane"]:
            if (point["initialization"], point["quantity"]) == (name, "Z_B"):
                text = f"{point['measured']:.2f}".replace("-0.00", "0.00").replace("-", "−")
                box = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.85}
                axes.text(
                    point["c_A"],
                    point["c_B"],
                    text,
                    ha="center",
                    va="center",
                    fontsize=8,
                    bbox=box,
                    zorder=3,
                )
        axes.set(
            title=f"{STYLES[name][0]}: slope of $Z_B$ in the width",
            xlabel="$c_A$: learning rate of A is $n^{c_A}$",
            xlim=region["box"],
        )
        axes.set(
            ylim=region["box"],
            xticks=(-1.5, -1, -0.5, 0),
            yticks=(-1.5, -1, -0.5, 0),
            aspect="equal",
        )
    panels[0].set_ylabel("$c_B$: learning rate of B is $n^{c_B}$")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def transfer(data: dict[str, Any]) -> Figure:
    """Regret of the best learning rate of narrow networks that is taken on to width 2^13 by the
    exponent of its colour: log of the loss over that of the learning rate tuned there, in nats.
    Bars are means, with 95 % intervals; 0 is no loss."""
    figure, axes = plt.subplots(figsize=(5.5, 3.0))
    names = list(dict.fromkeys(row["initialization"] for row in data["transfer"]))
    for shift, (exponent, (label, colour)) in zip((-0.25, 0, 0.25), EXPONENTS.items(), strict=True):
        rows = [row for row in data["transfer"] if row["exponent"] == exponent]
        height = np.array([row["regret"] for row in rows])
        bars = [
            height - [row["low"] for row in rows],
            np.array([row["high"] for row in rows]) - height,
        ]
        places = np.arange(len(names)) + shift
        axes.bar(places, height, 0.23, yerr=bars, color=colour, error_kw={"lw": 1}, label=label)
    axes.set_xticks(range(len(names)), names)
    axes.axhline(0, color="black", lw=0.6)
    axes.set_ylabel("log of loss at $2^{13}$ over that\nof the tuned one (nats)")
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside upper center",
        ncols=3,
        title="learning rate taken on by",
    )
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    """What the run measured: a run without sweeps has the plane alone."""
    drawn = {"plane": plane(data)}
    return drawn | {"rates": rates(data), "transfer": transfer(data)} if "lines" in data else drawn
