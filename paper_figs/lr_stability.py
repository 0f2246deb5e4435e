"""Figures of the learning-rate family: learning rates against width, the plane of the two learning
rates, and learning rates taken on to other widths."""

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
    SMALL,
    legend_below,
    letter,
    panels,
)

# label, colour, marker
STYLES = {
    "init_a": ("Init[A]", RED, "o"),
    "init_b": ("Init[B]", BLUE, "s"),
    "eva": ("EVA", GREEN, "^"),
    "eva_whitened": ("EVA, whitened", PINK, "v"),
}
LEVELS = {
    "feature": "largest stable, $Z_B \\leq 1$",
    "mup": "best, output layer $1/n$",
    "standard": "best, output layer $n^{-1/2}$",
}
EXPONENTS = {
    -0.5: ("$n^{-1/2}$, as predicted", GREEN, "o"),
    0.0: ("$n^0$, unchanged", GREY, "s"),
    -1.0: ("$n^{-1}$", ORANGE, "D"),
}
TICKS = (-1.5, -1, -0.5, 0)


def rates(data: dict[str, Any]) -> Figure:
    """Learning rates against the width n on logarithmic axes. (a) The largest at which the features
    Z_B, the adapter's output, stay at most 1; means over 20 x {seeds} seeds, of EVA over 5 x
    {seeds}. The points of EVA, whitened, coincide with those of Init[A]. (b) and (c) The one of
    least loss, where the output layer is scaled by 1/n or by n^(-1/2); means over 3 x {seeds}
    seeds. Bars are 95 % intervals over seeds, often shorter than a point; the dashed lines through
    the means have the slopes that theory predicts."""
    figure, axes = panels(1, 3, (7.0, 3.3), sharex=True, sharey=True)
    for panel, (level, title) in zip(axes, LEVELS.items(), strict=True):
        for line in data["lines"]:
            if line["level"] == level:
                _rate(panel, line)
        panel.set(title=title, xlabel="width $n$")
        panel.set_xticks(range(8, 15, 2), [f"$2^{{{x}}}$" for x in range(8, 15, 2)])
    axes[0].set_ylabel("learning rate")
    ticks = range(-14, -3, 2)
    axes[0].set_yticks(ticks, [f"$2^{{{y}}}$" for y in ticks])
    letter(axes)
    dashed = plt.Line2D([], [], color=BLACK, ls="--", lw=0.9, label="predicted slope")
    legend_below(figure, axes, 5, [dashed])
    return figure


def _rate(axes: Axes, line: dict[str, Any]) -> None:
    label, colour, marker = STYLES[line["initialization"]]
    x, y = np.log2(line["widths"]), np.array(line["log2 learning rate"])
    bars = [y - line["from"], np.array(line["to"]) - y]
    around = marker == "v"  # it would hide others
    style: dict[str, Any] = {"ms": 8, "mfc": "none"} if around else {"ms": 4}
    axes.errorbar(x, y, yerr=bars, fmt=marker, color=colour, lw=1, label=label, **style)
    axes.plot(x, y.mean() + line["predicted"] * (x - x.mean()), color=colour, ls="--", lw=0.9)


def plane(data: dict[str, Any]) -> Figure:
    """The plane of the two learning rates, n^(c_A) of A and n^(c_B) of B at width n, for (a)
    Init[A], where B is zero at first, and (b) Init[B], where A is. Z_B is the adapter's output.
    Shaded: where theory says that it stays bounded as n grows; thick line: where both factors
    train; dotted: one learning rate for both; star: LoRA+. The number beside a dot is the slope of
    log Z_B in log n that was measured there over widths of 256 to 16384, a mean over 3 x {seeds}
    seeds without an interval: at most 0 is stable."""
    figure, axes = panels(1, 2, (7.2, 4.4), sharey=True)
    for panel, (name, region) in zip(axes, data["regions"].items(), strict=True):
        _region(panel, region)
        for point in data["plane"]:
            if (point["initialization"], point["quantity"]) == (name, "Z_B"):
                _slope(panel, point)
        panel.set(title=STYLES[name][0], xlabel="$c_A$: learning rate of A is $n^{c_A}$")
        panel.set(xlim=region["box"], ylim=region["box"], aspect="equal")
        panel.set(xticks=TICKS, yticks=TICKS)
    axes[0].set_ylabel("$c_B$: learning rate of B is $n^{c_B}$")
    letter(axes)
    legend_below(figure, axes, 5)
    return figure


def _region(axes: Axes, region: dict[str, Any]) -> None:
    shaded: dict[str, Any] = {"color": SKY, "alpha": 0.25, "lw": 0, "label": "stable, by theory"}
    axes.fill(*np.array(region["polygon"]).T, **shaded)
    for number, piece in enumerate(region["efficient"]):
        label: dict[str, Any] = {} if number else {"label": "both train"}
        axes.plot(*np.array(piece).T, color=GREEN, lw=2.5, zorder=1, **label)
    dotted: dict[str, Any] = {"color": BLACK, "lw": 0.8, "ls": ":", "zorder": 0}
    axes.plot(*[region["box"]] * 2, label="one for both", **dotted)
    axes.plot(-1, 0, "*", color=RED, ms=13, zorder=2, label="LoRA+")


def _slope(axes: Axes, point: dict[str, Any]) -> None:
    """A dot with its number, right of it: every line passes at 45 degrees."""
    at = (point["c_A"], point["c_B"])
    first: dict[str, Any] = {} if axes.texts else {"label": "measured slope"}
    axes.plot(*at, "o", color=BLACK, ms=3, zorder=3, **first)
    text = f"{point['measured']:.2f}".replace("-0.00", "0.00").replace("-", "\u2212")
    style: dict[str, Any] = {"ha": "left", "va": "center", "fontsize": SMALL}
    axes.annotate(text, at, (8, 0), textcoords="offset points", **style)


def transfer(data: dict[str, Any]) -> Figure:
    """What a learning rate costs that is tuned in narrow networks and taken on to width 2^13 by the
    power of the width n in the legend: log of the loss over that at the learning rate tuned there,
    in nats; 0 is no loss. Points are means over 3 x {seeds} seeds, bars 95 % intervals. The output
    layer is scaled by 1/n."""
    figure, (axes,) = panels(1, 1, (5.5, 3.2))
    names = list(dict.fromkeys(row["initialization"] for row in data["transfer"]))
    for shift, (exponent, style) in zip((-0.2, 0, 0.2), EXPONENTS.items(), strict=True):
        label, colour, marker = style
        rows = [row for row in data["transfer"] if row["exponent"] == exponent]
        height, low, high = (
            np.array([row[name] for row in rows]) for name in ("regret", "low", "high")
        )
        bars = [height - low, high - height]
        places = np.arange(len(names)) + shift
        axes.errorbar(places, height, bars, fmt=marker, color=colour, ms=6, lw=1.2, label=label)
    axes.set_xticks(range(len(names)), names)
    axes.axhline(0, color=BLACK, lw=0.6)
    axes.set(xlim=(-0.5, len(names) - 0.5), ylabel="log of the loss over the tuned one's")
    legend_below(figure, [axes], 3)
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    """What the run measured: a run without sweeps has the plane alone."""
    drawn = {"plane": plane(data)}
    return drawn | {"rates": rates(data), "transfer": transfer(data)} if "lines" in data else drawn
