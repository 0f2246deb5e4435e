"""Figures of the task-directions family: overlaps against their null, recall against steps, errors
of every control."""

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
    SMALL,
    legend_below,
    letter,
    panels,
)

KINDS = {
    "square": "Gaussian, 256 x 256",
    "bidiagonal": "Gaussian, 4096 x 4096",
    "MiniLM, square": "MiniLM, square",
    "MiniLM, rectangular": "MiniLM, 1 : 4",
    "rectangular": "Gaussian, 1 : 2",
    "flat": "flat spectrum",
}
LAWS = (("Gaussian", BLUE, "o", "-"), ("exponential", ORANGE, "D", "--"))
SOURCES = {
    "gradient": "one gradient",
    "rotated": "full, rotated at random",
    "another run": "full, another run",
    "another task": "full, another task",
}
CASES = {
    "random": "planted at random",
    "bottom": "planted at the bottom",
    "none": "nothing planted",
    "grown": "random, all grown",
    "clusters": "networks, clusters",
    "digits": "networks, digits",
}
POOLS = {"clusters": "drawn clusters", "disjoint digits": "parts of the digits"}
METHODS = {"LoRA": (GREY, "s"), "Dash": (BLUE, "o"), "Init": (ORANGE, "D"), "TSD": (GREEN, "^")}
BY_WEIGHT = (RED, "v")  # PiSSA and MiLoRA


def null(data: dict[str, Any]) -> Figure:
    """Overlap by chance, of changes that have nothing in common. (a) Share of the s largest change
    rates of one among the m largest of another, against m/s, for two laws of the entries: points
    are means over {draws} simulated pairs of matrices, black ticks their exact means, lines the
    limit of large matrices. (b) Share of the top 8 of one change in the top 16 of another, by the
    kind of weight: a grey tick for each weight, a point for their mean; the line is the formula for
    square weights, the band what was published for LoRA of a language model."""
    figure, (left, right) = panels(1, 2, (7.0, 3.3), width_ratios=[2, 3])
    q = np.geomspace(0.25, 4, 100)
    curves = (1 + q - np.sqrt(1 + q**2), q / (1 + q))
    for (law, colour, marker, dashes), curve in zip(LAWS, curves, strict=True):
        left.plot(q, curve, color=colour, ls=dashes, lw=1, zorder=1, label=f"{law}, limit")
        records = [r for r in data["edges"] if r["law"] == law]
        sizes = [r["m"] / r["s"] for r in records]
        values, exact = ([r[name] for r in records] for name in ("value", "exact"))
        left.plot(sizes, values, marker, color=colour, ms=4, label=f"{law}, simulated")
        left.plot(sizes, exact, "_", color=BLACK, ms=9, zorder=1)
    left.set(xscale="log", xlabel="$q = m/s$", ylabel="overlap by chance", ylim=(0, 1))
    left.set_title("law of the entries")
    left.set_xticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
    left.minorticks_off()
    left.legend(fontsize=7, loc="lower right")
    _, _, low, high, formula = data["published"][0]
    right.axvspan(low, high, color=RED, alpha=0.25, lw=0, label="published for LoRA")
    right.axvline(formula, color=BLACK, lw=0.8, label="formula, square weight")
    kinds = [kind for kind in KINDS if any(r["kind"] == kind for r in data["unrelated"])]
    for place, kind in enumerate(reversed(kinds)):
        values = np.array([r["accuracy"] for r in data["unrelated"] if r["kind"] == kind])
        right.plot(values, np.full(len(values), place), "|", color=GREY, ms=8, zorder=1)
        right.plot(values.mean(), place, "o", color=BLUE, ms=5)
    right.set_yticks(range(len(kinds)), [KINDS[kind] for kind in reversed(kinds)], fontsize=SMALL)
    right.set(xlabel="top 8 of one in the top 16 of the other", xlim=(0, 1))
    right.set(title="kind of weight", ylim=(-0.5, len(kinds) + 0.4))
    right.legend(fontsize=7, loc="upper left")
    letter((left, right))
    return figure


def networks(data: dict[str, Any]) -> Figure:
    """Small networks: the share of full fine-tuning's eight core directions, of the largest change,
    that is among the sixteen that a source names: LoRA after so many updates, one gradient, full
    fine-tuning's own change at a random rotation, or of another run or task. Left by change rate,
    right by size; (a) and (b) for drawn clusters, (c) and (d) for parts of the digits. Points are
    means over {seeds} networks; a grey line joins each to its null, the overlap by chance (tick).
    The table has the 95 % intervals of what is beyond the null."""
    figure, axes = panels(2, 2, (7.0, 5.0), sharey=True, sharex=True)
    grid = [(pool, score) for pool in POOLS for score in ("rate", "abs")]
    for panel, (pool, score) in zip(axes, grid, strict=True):
        rows = [
            r
            for r in data["predicted"][::-1]
            if (r["data"], r["score"], r["overlap"]) == (pool, score, "8 in 16")
        ]
        places = np.arange(len(rows))
        values, nulls = ([r[name] for r in rows] for name in ("value", "null"))
        panel.hlines(places, nulls, values, color=GREY, lw=1)
        panel.plot(nulls, places, "|", color=BLACK, ms=9, mew=1.5, label="null, by chance")
        panel.plot(values, places, "o", color=BLUE, ms=5, label="overlap")
        panel.set_yticks(places, [_source(r["source"]) for r in rows], fontsize=SMALL)
        panel.set(title=f"{POOLS[pool]}, by {'change rate' if score == 'rate' else 'size'}")
        panel.set_xlim(0, 1.03)
    for panel in axes[2:]:
        panel.set_xlabel("share of the 8 among the 16")
    letter(axes)
    legend_below(figure, axes, 2)
    return figure


def _source(name: str) -> str:
    """LoRA 10, another task: LoRA, 10 updates, another task."""
    if name in SOURCES:
        return SOURCES[name]
    first, comma, rest = name.partition(",")
    return f"{first.replace('LoRA ', 'LoRA, ')} updates{comma}{rest}"


def recall(data: dict[str, Any]) -> Figure:
    """Recall of 8 planted core directions of 64 by LoRA of rank 8, against its updates, ranked by
    change rate or by the size of the change: means over 40 problems, 20 at the reduced size,
    without intervals; a panel for each place of the planted directions. Dashed: the same from one
    gradient; dotted: the null, by chance. Where two nulls coincide, one line hides the other."""
    planted = {r["planted"] for r in data["recall"]}
    cases = [case for case in ("random", "top", "bottom") if case in planted]
    figure, axes = panels(1, len(cases), (7.0, 3.0), sharey=True)
    for panel, case in zip(axes, cases, strict=True):
        for score, colour, marker in (("rate", RED, "o"), ("abs", BLUE, "s")):
            (row,) = (
                r
                for r in data["recall"]
                if (r["planted"], r["score"], r["rank"]) == (case, score, 8)
            )
            values = [row[f"LoRA {t}"] for t in data["times"]]
            label = f"LoRA, by {'change rate' if score == 'rate' else 'size'}"
            style: dict[str, Any] = {"color": colour, "marker": marker, "ms": 3.5, "lw": 1}
            panel.plot(data["times"], values, label=label, **style)
            panel.axhline(row["gradient"], color=colour, lw=0.9, ls="--")
            panel.axhline(row["null"], color=colour, lw=0.9, ls=":")
        panel.set(xscale="log", xlabel="updates of LoRA", ylim=(-0.03, 1.03))
        panel.set_title("planted at random" if case == "random" else f"planted at the {case}")
    axes[0].set_ylabel("share of the 8 that is found")
    letter(axes)
    lines = [
        plt.Line2D([], [], color=BLACK, lw=0.9, ls=dashes, label=label)
        for dashes, label in (("--", "one gradient"), (":", "null, by chance"))
    ]
    legend_below(figure, axes, 4, lines)
    return figure


def errors(data: dict[str, Any]) -> Figure:
    """Final error of every method and control at its own best learning rate, a panel for each kind
    of problem: means over {seeds} problems, with 95 % intervals. Dotted: LoRA of the same rank r; s
    is the number of core directions. Dash, Init and TSD (both) take theirs from a hundred updates
    of LoRA (pre-launch), one gradient, the truth (oracle), at random, or from the top or the bottom
    of the weight. The table has more problems. Black ticks: the least error that the initialization
    of a method without scaled directions allows."""
    cases = [case for case in CASES if any(r["problem"] == case for r in data["errors"])]
    compared = {r["method"] for r in data["errors"]}
    names = [name for name in reversed(data["order"]) if name in compared]
    columns = min(3, len(cases))
    rows = -(-len(cases) // columns)
    size = (7.2, (0.15 * len(names) + 0.8) * rows)
    figure, axes = panels(rows, columns, size, sharey=True)
    for panel, case in zip(axes, cases, strict=False):
        _bars(panel, [r for r in data["errors"] if r["problem"] == case], names)
        panel.set(title=CASES[case], ylim=(-0.7, len(names) - 0.3))
        panel.set_xlim(left=0)
        panel.set_xlabel("test error" if case in ("clusters", "digits") else "excess risk")
    for panel in axes[len(cases) :]:
        panel.set_axis_off()
    axes[0].set_yticks(np.arange(len(names)), names)
    for panel in axes:
        panel.tick_params(axis="y", labelsize=7)
    letter(axes[: len(cases)])
    return figure


def _bars(axes: Axes, rows: list[dict[str, Any]], names: list[str]) -> None:
    for row in rows:
        place, kind = names.index(row["method"]), row["method"].split(",")[0]
        colour, marker = METHODS.get(kind, BY_WEIGHT)
        axes.hlines(place, row["low"], row["high"], color=colour, lw=1.2)
        axes.plot(row["error"], place, marker, color=colour, ms=4, clip_on=False)
        if row["least for its initialization"] is not None and kind not in ("Dash", "TSD"):
            axes.plot(row["least for its initialization"], place, "|", color=BLACK, ms=9)
        if row["method"] == "LoRA, r":
            axes.axvline(row["error"], color=GREY, lw=0.7, ls=":")


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    return {
        "null": null(data),
        "networks": networks(data),
        "recall": recall(data),
        "errors": errors(data),
    }
