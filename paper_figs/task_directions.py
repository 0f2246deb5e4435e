"""Figures of the task-directions family: overlaps against their null, recall against steps, errors
of every control."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers; the theory is always black.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#777777"
KINDS = {
    "square": "Gaussian 256$^2$",
    "bidiagonal": "Gaussian 4096$^2$",
    "MiniLM, square": "MiniLM, square",
    "MiniLM, rectangular": "MiniLM, 1:4",
    "rectangular": "Gaussian 1:2",
    "flat": "flat",
}
SOURCES = {
    "rotated": "true, rotated",
    "another run": "full, another run",
    "another task": "full, another task",
}
CASES = {
    "random": "planted at random",
    "bottom": "at the bottom",
    "none": "no core structure",
    "grown": "random, all grown",
    "clusters": "networks: clusters",
    "digits": "networks: digits",
}
POOLS = {"clusters": "drawn clusters", "disjoint digits": "parts of the digits"}


def null(data: dict[str, Any]) -> Figure:
    """Overlap of changes that have nothing in common. Left: share of the s largest change rates of
    one among the m largest of another, against m/s, for two laws of entries; points are simulated,
    lines the limit of large matrices, dashes the exact mean. Right: 8 in 16, for kinds of weights;
    ticks are draws, points their means, the line is the formula, the band what was published for
    LoRA."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(6.5, 2.8), layout="constrained", width_ratios=[2, 3]
    )
    q = np.geomspace(0.25, 4, 100)
    for law, colour, marker, curve in (
        ("Gaussian", BLUE, "o", 1 + q - np.sqrt(1 + q**2)),
        ("exponential", ORANGE, "D", q / (1 + q)),
    ):
        left.plot(q, curve, color="black", lw=0.8, zorder=1)
        found = [(r["m"] / r["s"], r["value"]) for r in data["edges"] if r["law"] == law]
        left.plot(*np.array(found).T, marker, color=colour, ms=4, label=law)
        exact = [(r["m"] / r["s"], r["exact"]) for r in data["edges"] if r["law"] == law]
        left.plot(*np.array(exact).T, "_", color="black", ms=9, zorder=1)
    left.set(
        xscale="log",
        xlabel="$q = m/s$",
        ylabel="overlap of unrelated changes",
        ylim=(0, 1),
        title="hard edge",
    )
    left.set_xticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
    left.minorticks_off()
    left.legend(fontsize=8, loc="lower right")
    _, _, low, high, formula = data["published"][0]
    right.axvspan(low, high, color=RED, alpha=0.25, lw=0, label="published for LoRA")
    right.axvline(formula, color="black", lw=0.8)
    kinds = [kind for kind in KINDS if any(r["kind"] == kind for r in data["unrelated"])]
    for place, kind in enumerate(reversed(kinds)):
        values = np.array([r["accuracy"] for r in data["unrelated"] if r["kind"] == kind])
        right.plot(values, np.full(len(values), place), "|", color=GREY, ms=8, zorder=1)
        right.plot(values.mean(), place, "o", color=BLUE, ms=5)
    right.set_yticks(range(len(kinds)), [KINDS[kind] for kind in reversed(kinds)])
    right.set(
        xlabel="top 8 of one in top 16 of the other",
        xlim=(0, 1),
        title="unrelated changes by weight",
    )
    right.legend(fontsize=8, loc="upper left")
    return figure


def networks(data: dict[str, Any]) -> Figure:
    """Small networks: the share of full fine-tuning's eight core directions of the largest change
    among sixteen that a source names, by change rate (left) and by size (right), for two pools of
    data. Points are means over runs; a grey line joins each to its null, the overlap by chance
    (tick)."""
    figure, grid = plt.subplots(
        2, 2, figsize=(6.5, 4.6), layout="constrained", sharey=True, sharex=True
    )
    for panels, (pool, name) in zip(grid, POOLS.items(), strict=True):
        for axes, score, title in zip(
            panels, ("rate", "abs"), ("by change rate", "by size"), strict=True
        ):
            rows = [
                r
                for r in data["predicted"][::-1]
                if (r["data"], r["score"], r["overlap"]) == (pool, score, "8 in 16")
            ]
            places = np.arange(len(rows))
            values, nulls = ([r[name] for r in rows] for name in ("value", "null"))
            axes.hlines(places, nulls, values, color=GREY, lw=1)
            axes.plot(nulls, places, "|", color="black", ms=9, mew=1.5, label="null")
            axes.plot(values, places, "o", color=BLUE, ms=5, label="overlap")
            axes.set_yticks(places, [SOURCES.get(r["source"], r["source"]) for r in rows])
            axes.set_title(f"{name}: {title}", fontsize=8)
            axes.set_xlim(0, 1.03)
    for axes in grid[1]:
        axes.set_xlabel("8 in 16 of full fine-tuning")
    grid[1, 0].legend(fontsize=8, loc="lower left")
    return figure


def recall(data: dict[str, Any]) -> Figure:
    """Recall of 8 planted core directions of 64 by LoRA of rank 8, against its updates, ranked by
    change rate or by the size of the change: means over seeds. Dashed: the same from one gradient;
    dotted: the null, by chance."""
    cases = [
        case
        for case in ("random", "top", "bottom")
        if any(r["planted"] == case for r in data["recall"])
    ]
    figure, panels = plt.subplots(
        1, len(cases), figsize=(6.5, 2.7), layout="constrained", sharey=True, squeeze=False
    )
    for axes, case in zip(panels[0], cases, strict=True):
        for score, colour, name in (("rate", RED, "change rate"), ("abs", BLUE, "size")):
            rows = {
                r["rank"]: r for r in data["recall"] if (r["planted"], r["score"]) == (case, score)
            }
            row = rows[8]
            axes.plot(
                data["times"],
                [row[f"LoRA {t}"] for t in data["times"]],
                "o-",
                color=colour,
                ms=3.5,
                lw=1,
                label=f"LoRA, by {name}",
            )
            axes.axhline(
                row["gradient"], color=colour, lw=0.9, ls="--", label=f"one gradient, by {name}"
            )
            axes.axhline(row["null"], color=colour, lw=0.9, ls=":", label=f"null, by {name}")
        axes.set(
            xscale="log",
            xlabel="updates of LoRA",
            ylim=(-0.03, 1.03),
            title="planted at random" if case == "random" else f"planted at the {case}",
        )
    panels[0, 0].set_ylabel("recall of 8 in 64, rank 8")
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8
    )
    return figure


def errors(data: dict[str, Any]) -> Figure:
    """Final error of every method and control at its own best learning rate, a panel for each
    problem: means over problems, with 95 % intervals. Dotted: LoRA. Black ticks: the least error
    that the initialization of a method without scaled directions allows."""
    cases = [case for case in CASES if any(r["problem"] == case for r in data["errors"])]
    compared = {r["method"] for r in data["errors"]}
    names = [name for name in reversed(data["order"]) if name in compared]
    figure, panels = plt.subplots(
        1, len(cases), figsize=(7.2, 3.6), layout="constrained", sharey=True, squeeze=False
    )
    for axes, case in zip(panels[0], cases, strict=True):
        rows = [r for r in data["errors"] if r["problem"] == case]
        _bars(axes, rows, names)
        axes.set_title(CASES[case], fontsize=7)
        axes.set_xlim(left=0)
        axes.set_xlabel("test error" if case in ("clusters", "digits") else "excess risk")
    panels[0, 0].set_yticks(np.arange(len(names)), names)
    return figure


def _bars(axes: Axes, rows: list[dict[str, Any]], names: list[str]) -> None:
    colours = {"LoRA": GREY, "Dash": BLUE, "Init": ORANGE, "TSD": GREEN}
    for row in rows:
        place, kind = names.index(row["method"]), row["method"].split(",")[0]
        colour = colours.get(kind, RED)
        axes.hlines(place, row["low"], row["high"], color=colour, lw=1.2)
        axes.plot(row["error"], place, "o", color=colour, ms=4, clip_on=False)
        if row["least for its initialization"] is not None and kind not in ("Dash", "TSD"):
            axes.plot(row["least for its initialization"], place, "|", color="black", ms=9)
        if row["method"] == "LoRA, r":
            axes.axvline(row["error"], color=GREY, lw=0.7, ls=":")


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    return {
        "null": null(data),
        "networks": networks(data),
        "recall": recall(data),
        "errors": errors(data),
    }
