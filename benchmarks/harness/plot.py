"""The ratios of a run as bars, with their intervals and aims."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from benchmarks.harness.rows import Result, Verdict

COLOURS = {Verdict.MET: "tab:green", Verdict.MISSED: "tab:red", Verdict.OPEN: "tab:orange"}


def draw(results: Sequence[Result], title: str) -> Figure:
    """One bar a ratio on a logarithmic axis from 1; a mark where the aim is."""
    ratios = [
        result
        for result in reversed(results)
        if result.estimate is not None and result.row.below and result.estimate.value > 0
    ]
    figure = Figure(figsize=(10, 1.2 + 0.24 * len(ratios)), layout="constrained")
    axes = figure.subplots()
    for at, result in enumerate(ratios):
        found, aim = result.estimate, result.row.aim
        assert found is not None
        value, low, high = found.value, found.low, found.high
        colour = COLOURS.get(result.verdict, "tab:gray")
        axes.barh(at, value - 1, left=1, height=0.6, color=colour, alpha=0.6)
        if low is not None and high is not None:
            axes.plot([low, high], [at, at], color="black", linewidth=1.5)
        axes.plot(value, at, "|", color="black", markersize=8)
        if aim is not None:
            axes.plot(aim, at, "D", color="black", markerfacecolor="none", markersize=5)
    axes.set_yticks(range(len(ratios)), [result.row.name for result in ratios], fontsize=7)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("ratio: median and 95 % interval (line), aim (diamond)")
    figure.suptitle(title, fontsize=7)
    return figure


def write(file: Path, results: Sequence[Result], title: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draw(results, title).savefig(file, dpi=150)
