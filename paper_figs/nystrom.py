"""Figures of the Nyström family: the law against runs, steps against distance, what breaks it, what
carries over."""

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
    RED,
    SKY,
    SMALL,
    legend_below,
    letter,
    panels,
)

FLOOR = 1e-17  # below this an error is rounding
# column of the table, label, colour, marker and line
CURVES = (
    ("gradient descent", "gradient descent", GREY, "x-"),
    ("small random eta=0.5", r"small random, $\eta=0.5$", ORANGE, "s-"),
    ("Nyström eta=0.4", r"Nyström, $\eta=0.4$", SKY, "^-"),
    ("Nyström eta=0.5", r"Nyström, $\eta=0.5$", BLUE, "o-"),
    ("asymmetric eta=0.5", r"Nyström, asymmetric, $\eta=0.5$", GREEN, "D-"),
    ("asymmetric ALS, random", "alternating least squares", RED, "v-"),
)


def _error_axis(axes: Axes, title: str) -> None:
    axes.set(xlabel="step $t$", title=title, yscale="log", ylim=(1e-16, None))


def errors(data: dict[str, Any]) -> Figure:
    """Relative error of ScaledGD from the Nyström initialization against the step, by the target's
    condition number. Points are single runs of one seed, lines what theory predicts. (a) Symmetric
    targets: a line for each condition number. (b) Asymmetric targets: one line for all, |d_t - 1|;
    the points of all condition numbers coincide up to step 5. Below about 1e-15 an error is
    rounding: there points leave the lines, and lines leave the frame."""
    figure, (left, right) = panels(1, 2, (6.5, 3.0), sharey=True)
    for i, colour, marker in ((0, BLUE, "o"), (2, ORANGE, "s"), (5, RED, "^")):
        law = np.maximum(data["symmetric_law"][i], FLOOR)
        left.plot(law, color=colour, lw=1, zorder=1)
        label = f"$10^{round(np.log10(data['conditions'][i]))}$"
        left.plot(data["symmetric"][i], marker, color=colour, ms=3.5, label=label)
    _error_axis(left, "symmetric")
    law = np.maximum(data["asymmetric_law"][:7], FLOOR)
    right.plot(law, color=BLACK, lw=1)
    for i, (run, marker) in enumerate(zip(data["asymmetric"], "os^vDx", strict=True)):
        label = f"$10^{round(np.log10(data['conditions'][i]))}$"
        colour = plt.get_cmap("viridis")(i / 6)
        right.plot(run[:7], marker, color=colour, ms=4, mfc="none", label=label)
    _error_axis(right, "asymmetric")
    left.set(ylabel="relative error", xticks=range(0, 14, 2))
    for panel in (left, right):
        title = {"title": "condition number", "title_fontsize": SMALL}
        panel.legend(fontsize=SMALL, loc="lower left", **title)
    letter((left, right))
    return figure


def steps(data: dict[str, Any]) -> Figure:
    """Steps to a relative error of 1e-12. (a) From the Nyström initialization X_0 at eta = 1/2,
    against the distance c of X_0 (theory has its formula): a point for each run, of every target
    and seed; line: the bound, log_4 of the distance and a constant, rounded up. (b) Against the
    target's condition number, by initialization and learning rate eta: medians over {seeds} seeds,
    of Nyström at 0.5 over twice as many, of gradient descent over 3; no intervals. Gradient descent
    is run at two condition numbers, and a curve is broken where a method never gets there."""
    figure, (left, right) = panels(1, 2, (7.2, 3.2))
    distance, count = np.array(data["distance"]), np.array(data["steps"])
    line = np.geomspace(distance.min(), distance.max(), 1000)
    bound = np.ceil(np.log(line) / np.log(4) + data["extra_steps"])
    left.plot(distance, count, "o", color=BLUE, ms=2.5, alpha=0.6, mew=0, label="a run")
    label = rf"$\lceil \log_4 c + {data['extra_steps']:.2f} \rceil$"
    left.plot(line, bound, color=BLACK, lw=0.8, label=label)
    left.set(xscale="log", xlabel="distance $c$ of $X_0$", ylabel="steps to an error of $10^{-12}$")
    left.set_title(r"Nyström, $\eta=1/2$")
    left.legend(fontsize=SMALL, loc="lower right")
    for column, label, colour, marker in CURVES:
        values = [np.nan if row[column] is None else row[column] for row in data["table"]]
        right.plot(data["conditions"], values, marker, color=colour, ms=3.5, lw=1, label=label)
    right.set(xscale="log", yscale="log", xlabel="condition number")
    right.set_title(r"by initialization and $\eta$")
    letter((left, right))
    legend_below(figure, [right], 3)
    return figure


def limits(data: dict[str, Any]) -> Figure:
    """What breaks the quadratic convergence, of one seed. (a) Relative error against the step of
    single runs with noise of four sizes on the initialization; a run ends at 1e-12; dashed: the
    slope of a linear convergence by a factor 1 - eta a step. (b) Random factors of rank-2
    asymmetric problems, a mark for each draw, by the eigenvalue mu that is nearest the negative
    axis: where it is real and negative they fail. Both axes are linear within 0.1 of 0 and
    logarithmic beyond."""
    figure, (left, right) = panels(1, 2, (6.5, 3.0))
    styles = zip((RED, ORANGE, GREEN, BLUE), "os^D", strict=True)
    for leak, (colour, marker) in zip(data["leaks"], styles, strict=True):
        style: dict[str, Any] = {"color": colour, "marker": marker, "ms": 3, "lw": 1.2}
        label = f"$10^{{{round(np.log10(leak['size']))}}}$"
        left.plot(leak["errors"], markevery=4, label=label, **style)
    end = len(data["leaks"][0]["errors"]) - 1
    ends = [0.3e-12 * 2**20, 0.3e-12]
    left.plot([end - 20, end], ends, color=BLACK, lw=1, ls="--", label=r"factor $1-\eta$")
    _error_axis(left, "noise on the initialization")
    left.set(ylim=(1e-13, None), ylabel="relative error")
    left.legend(fontsize=SMALL, loc="upper right", title="size of the noise", title_fontsize=SMALL)
    random = data["random_factors"]
    real, imaginary, done = (np.array(random[key]) for key in ("real", "imaginary", "done"))
    for chosen, colour, marker, label in (
        (done, BLUE, "o", "converged"),
        (~done, RED, "x", "failed"),
    ):
        style = {"color": colour, "ms": 3, "mew": 0.8, "lw": 0, "label": label}
        right.plot(real[chosen], imaginary[chosen], marker, **style)
    right.set_xscale("symlog", linthresh=0.1)
    right.set_yscale("symlog", linthresh=0.1)
    right.set(xlabel=r"real part of $\mu$", ylabel=r"imaginary part of $\mu$")
    right.set_title("random factors")
    right.set_xticks([-10, 0, 10])
    right.legend(fontsize=SMALL, loc="lower left", bbox_to_anchor=(0, 0.08))
    letter((left, right))
    return figure


def transfer(data: dict[str, Any]) -> Figure:
    """Adapting a pretrained weight: relative error against the step from three initializations,
    where the change (a) does not overlap with the weight and (b) does. Each curve is a single run,
    of one seed. The curves of random factors and of the sketch of the weight nearly coincide; that
    of the sketch of the gradient leaves the frame."""
    figure, axes = panels(1, 2, (6.5, 3.0), sharey=True)
    curves = (
        ("random", "random", GREY, "-", ""),
        ("weight", "sketch of the weight", ORANGE, "--", ""),
        ("gradient", "sketch of the gradient", BLUE, "-", "o"),
    )
    for panel, runs in zip(axes, data["transfer"], strict=True):
        for name, label, colour, line, marker in curves:
            style = {"ls": line, "marker": marker, "ms": 3, "color": colour, "lw": 1.4}
            panel.plot(np.maximum(runs[name], FLOOR), label=label, **style)
        _error_axis(panel, f"overlap with the weight: {runs['overlap']:g}")
        panel.set_ylim(1e-11, 2)
    axes[0].set_ylabel("relative error")
    letter(axes)
    legend_below(figure, axes, 3)
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    return {
        "errors": errors(data),
        "steps": steps(data),
        "limits": limits(data),
        "transfer": transfer(data),
    }
