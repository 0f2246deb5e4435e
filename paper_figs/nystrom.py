"""Figures of the Nyström family: the law against runs, steps against distance, what breaks it, what
carries over."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers; the theory is always black.
BLUE, ORANGE, GREEN, RED, SKY, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#777777",
)
FLOOR = 1e-17  # below this an error is rounding


def _axes(panels: int) -> tuple[Figure, list[Axes]]:
    figure, axes = plt.subplots(1, panels, figsize=(6.5, 2.6), layout="constrained", squeeze=False)
    return figure, list(axes[0])


def _error_axis(axes: Axes, title: str) -> None:
    axes.set(
        xlabel="step $t$", ylabel="relative error", title=title, yscale="log", ylim=(1e-16, None)
    )


def errors(data: dict[str, Any]) -> Figure:
    """Relative error of ScaledGD from the Nyström initialization against the step, symmetric (left)
    and asymmetric (right), by the target's condition number. Points are single runs, lines the
    closed forms."""
    figure, (left, right) = _axes(2)
    for i, colour in ((0, BLUE), (2, ORANGE), (5, RED)):
        exponent = round(np.log10(data["conditions"][i]))
        law = np.maximum(data["symmetric_law"][i], FLOOR)
        left.plot(law, color=colour, lw=1, zorder=1)
        left.plot(
            data["symmetric"][i], "o", color=colour, ms=3.5, label=f"condition $10^{exponent}$"
        )
    _error_axis(left, "symmetric: lines are theory")
    left.legend(fontsize=8, loc="lower left")
    right.plot(
        np.maximum(data["asymmetric_law"][:7], FLOOR), color="black", lw=1, label="theory $|d_t-1|$"
    )
    for i, (run, marker) in enumerate(zip(data["asymmetric"], "os^vDx", strict=True)):
        exponent = round(np.log10(data["conditions"][i]))
        right.plot(
            run[:7],
            marker,
            color=plt.get_cmap("viridis")(i / 6),
            ms=4,
            mfc="none",
            label=f"$10^{exponent}$",
        )
    _error_axis(right, "asymmetric: one law for all")
    right.legend(fontsize=7, loc="lower left", title="condition number", title_fontsize=7)
    return figure


def steps(data: dict[str, Any]) -> Figure:
    """Steps to a relative error of 1e-12. Left: against the distance of the initialization X_0, a
    point for each run; line: the bound, log_4 of the distance rounded up. Right: medians over seeds
    against the target's condition number, by initialization and learning rate; a curve is broken
    where a method never gets there."""
    figure, (left, right) = _axes(2)
    distance, count = np.array(data["distance"]), np.array(data["steps"])
    line = np.geomspace(distance.min(), distance.max(), 1000)
    left.plot(distance, count, "o", color=BLUE, ms=2.5, alpha=0.6, mew=0)
    left.plot(line, np.ceil(np.log(line) / np.log(4) + data["extra_steps"]), color="black", lw=0.8)
    left.text(
        0.97,
        0.08,
        rf"line: $\lceil \log_4 c + {data['extra_steps']:.2f} \rceil$",
        ha="right",
        transform=left.transAxes,
    )
    left.set(
        xscale="log",
        xlabel="distance $c$ of $X_0$",
        ylabel="steps to $10^{-12}$",
        title=r"Nyström, $\eta=1/2$",
    )
    table = data["table"]
    curves = (
        ("gradient descent", "gradient descent", GREY, "x-"),
        ("small random eta=0.5", "random, 0.5", ORANGE, "s-"),
        ("Nyström eta=0.4", "Nyström, 0.4", SKY, "^-"),
        ("Nyström eta=0.5", "Nyström, 0.5", BLUE, "o-"),
        ("asymmetric eta=0.5", "Nyström, 0.5, asym.", GREEN, "D-"),
        ("asymmetric ALS, random", "ALS random, asym.", RED, "v-"),
    )
    for column, label, colour, marker in curves:
        values = [np.nan if row[column] is None else row[column] for row in table]
        right.plot(data["conditions"], values, marker, color=colour, ms=3.5, lw=1, label=label)
    right.set(
        xscale="log",
        yscale="log",
        xlabel="condition number",
        ylabel="steps to $10^{-12}$",
        title=r"by initialization and $\eta$",
    )
    right.legend(fontsize=7, loc="upper right")
    right.set_ylim(0.7, 4000)
    return figure


def limits(data: dict[str, Any]) -> Figure:
    """What breaks the quadratic convergence. Left: relative error against the step of one run each,
    with noise of four sizes on the initialization; dashed: a linear rate of 1 - eta. Right: random
    factors of asymmetric problems, by the eigenvalue mu nearest the negative axis, on axes that are
    linear near 0 and logarithmic beyond; circles converged, crosses failed."""
    figure, (left, right) = _axes(2)
    for leak, colour in zip(data["leaks"], (RED, ORANGE, GREEN, BLUE), strict=True):
        left.plot(
            leak["errors"], color=colour, lw=1.2, label=f"$10^{{{round(np.log10(leak['size']))}}}$"
        )
    end = len(data["leaks"][0]["errors"]) - 1
    left.plot(
        [end - 20, end],
        [0.3e-12 * 2**20, 0.3e-12],
        color="black",
        lw=1,
        ls="--",
        label=r"factor $1-\eta$",
    )
    _error_axis(left, "noise on the initialization")
    left.set_ylim(1e-13, None)
    left.legend(fontsize=8, loc="upper right", title="size of the noise", title_fontsize=8)
    random = data["random_factors"]
    real, imaginary, done = (np.array(random[key]) for key in ("real", "imaginary", "done"))
    for chosen, colour, marker, label in (
        (done, BLUE, "o", "converged"),
        (~done, RED, "x", "failed"),
    ):
        right.plot(
            real[chosen], imaginary[chosen], marker, color=colour, ms=3, mew=0.8, lw=0, label=label
        )
    right.set_xscale("symlog", linthresh=0.1)
    right.set_yscale("symlog", linthresh=0.1)
    right.set(
        xlabel=r"Re $\mu$, eigenvalue nearest $(-\infty, 0]$",
        ylabel=r"Im $\mu$",
        title="fate of random factors",
    )
    right.set_xticks([-10, 0, 10])
    right.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 0.08))
    return figure


def transfer(data: dict[str, Any]) -> Figure:
    """Adapting a pretrained weight: relative error of one run against the step from three
    initializations, where the change does not overlap with the weight (left) and where it does
    (right)."""
    figure, panels = _axes(2)
    curves = (
        ("random", "random", GREY, "-"),
        ("weight", "sketch of the weight", ORANGE, "--"),
        ("gradient", "sketch of the gradient", BLUE, "-"),
    )
    for axes, runs in zip(panels, data["transfer"], strict=True):
        for name, label, colour, style in curves:
            axes.plot(np.maximum(runs[name], FLOOR), style, color=colour, lw=1.4, label=label)
        _error_axis(axes, f"overlap with the weight: {runs['overlap']:g}")
        axes.set_ylim(1e-11, 2)
    panels[0].legend(fontsize=8, loc="upper right")
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    return {
        "errors": errors(data),
        "steps": steps(data),
        "limits": limits(data),
        "transfer": transfer(data),
    }
