"""Pictures of a sweep: how each method depends on its learning rate, how far each is from the
reference, and what it forgets for what it learns."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from loralab.figures import STYLE
from loralab.files import whole
from scaling.comparison.forgetting import trade
from scaling.comparison.summary import (
    INVALID,
    Outcome,
    Outcomes,
    Rates,
    Row,
    diverged,
    lowest_loss,
    runs_of,
)

MARKERS = "osD^v<>Phd*X"
LINES = ("-", "--", "-.", ":")


def draw_rates(file: Path, rows: Sequence[Row], outcomes: Outcomes) -> None:
    """Lowest validation loss and score against learning rate: a dot for each run, a line through
    the means over seeds, a large filled marker at the chosen learning rate, a cross on top for a
    run that diverged."""
    metric = next((row.metric for row in rows if row.metric), "score")
    panels: dict[str, Callable[[Outcome], float]] = {
        "lowest validation loss": lowest_loss,
        metric: lambda run: run["metrics"][metric],
    }
    plt = _plt()
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(10, 4))
        for panel, (name, value) in zip(axes, panels.items(), strict=True):
            found = {row.method: _finished(outcomes[row.method], value) for row in rows}
            for i, row in enumerate(rows):
                _line(panel, row, found[row.method], _style(i))
            panel.set(xscale="log", xlabel="learning rate", ylabel=name)
            _mark(panel, rows, outcomes, found)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper")
        figure.suptitle(
            "filled: the learning rate that validation chose; dots: runs; x: a run that diverged",
            fontsize="medium",
        )
        _save(figure, file)


def _finished(rates: Rates, value: Callable[[Outcome], float]) -> dict[float, list[float]]:
    """The value of every run that finished, by learning rate."""
    found = {
        rate: [value(run) for run in runs.values() if not diverged(run)]
        for rate, runs in sorted(rates.items())
    }
    return {rate: values for rate, values in found.items() if values}


def _line(panel: Any, row: Row, found: dict[float, list[float]], style: dict[str, Any]) -> None:
    means = {rate: float(np.mean(values)) for rate, values in found.items()}
    panel.plot(means.keys(), means.values(), **style, lw=1.2, ms=5, mfc="white", label=row.method)
    for rate, values in found.items():
        panel.plot([rate] * len(values), values, ".", ms=4, alpha=0.4, color=style["color"])
    if row.rate is not None:
        panel.plot(row.rate, means[row.rate], style["marker"], color=style["color"], ms=8, zorder=3)


def _mark(
    panel: Any, rows: Sequence[Row], outcomes: Outcomes, found: dict[str, dict[float, list[float]]]
) -> None:
    """A logarithmic axis where values need one, and crosses."""
    values = [value for rates in found.values() for runs in rates.values() for value in runs]
    if values and 10 * min(values) < max(values) and min(values) > 0:
        panel.set_yscale("log")
    for i, row in enumerate(rows):
        for rate, runs in outcomes[row.method].items():
            if any(map(diverged, runs.values())):
                shift = 1 + 0.03 * i  # crosses of several methods stand above each other
                panel.plot(
                    rate,
                    shift,
                    "x",
                    color=_style(i)["color"],
                    clip_on=False,
                    transform=panel.get_xaxis_transform(),
                )


def draw_differences(file: Path, rows: Sequence[Row], margin: float) -> None:
    """The difference of each method from the reference with its interval, the margin shaded,
    invalid ones hollow."""
    shown = [(row, row.difference) for row in rows if row.difference is not None]
    plt = _plt()
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7, 1.2 + 0.32 * max(1, len(shown))))
        axes.axvspan(-margin, margin, color="0.9", lw=0, label=f"margin of {margin:g}")
        axes.axvline(0, color="0.4", lw=0.8)
        for y, (row, found) in enumerate(shown):
            ends = [[found.value - found.low], [found.high - found.value]]
            invalid = row.verdict == INVALID
            colour = "0.6" if invalid else _colour(row.verdict or "")
            axes.errorbar(
                found.value,
                y,
                xerr=ends,
                fmt="o",
                ms=5,
                capsize=3,
                color=colour,
                mfc="white" if invalid else colour,
            )
            axes.text(
                1.02,
                y,
                row.verdict,
                color=colour,
                va="center",
                transform=axes.get_yaxis_transform(),
            )
        axes.set_yticks(range(len(shown)), [row.method for row, _ in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xlabel(
            f"score of a test example minus that of {rows[0].method} (shaded: margin of {margin:g})"
        )
        _save(figure, file)


def draw_forgetting(file: Path, rows: Sequence[Row], outcomes: Outcomes) -> None:
    """What is learnt against what is forgotten, along training at each method's best learning rate:
    the validation loss, and how far the loss on the first blocks of the base model's text is above
    that before training; means over seeds, the last validation large."""
    plt = _plt()
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6, 4))
        for i, row in enumerate(rows):
            points = trade(list(runs_of(outcomes, row).values()))
            if not points:
                continue
            style = _style(i)
            axes.plot(*zip(*points, strict=True), **style, lw=1.2, ms=4, mfc="white")
            axes.plot(*points[-1], style["marker"], color=style["color"], ms=7, label=row.method)
        axes.axhline(0, color="0.4", lw=0.8)
        axes.set(xlabel="validation loss", ylabel="base text: bits a byte more than before")
        figure.legend(loc="outside right upper")
        _save(figure, file)


def _style(i: int) -> dict[str, Any]:
    """Colour, marker and line of method i: 12 methods differ without colour, 11 without
    markers."""
    colour = "black" if i == 0 else f"C{(i - 1) % 10}"
    return {"color": colour, "marker": MARKERS[i % len(MARKERS)], "ls": LINES[i % len(LINES)]}


def _colour(verdict: str) -> str:
    return {"better": "C2", "worse": "C3"}.get(verdict.split(",")[0], "0.2")


def _plt() -> Any:
    import matplotlib.pyplot as plt  # takes longer to load than all of the rest here

    plt.switch_backend("agg")
    return plt


def _save(figure: Any, file: Path) -> None:
    with whole(file) as partial:
        figure.savefig(partial, format="png", dpi=150)
    _plt().close(figure)
