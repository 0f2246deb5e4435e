"""Figures of the predicted learning rate: validation loss against the learning rate, and decades
from the best one to the prediction."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter

from paper_figs.panels import BLACK, BLUE, SHADE, legend_below, letter, panels

COLUMNS = 4
DECADES = 0.5
HIGHEST = 4.0  # times the best loss
NEAR = Patch(color=SHADE, label="half a decade around it")
PREDICTED = Line2D([], [], color=BLACK, lw=1, ls="--", label="predicted learning rate")


def losses(data: dict[str, Any]) -> Figure:
    """Validation loss of LoRA against the learning rate, a panel for each model and task: means
    over {seeds} seeds, without intervals. Filled: the best learning rate of those tried. Where the
    loss is more than four times the best one the line leaves the frame."""
    rows = -(-len(data) // COLUMNS)
    figure, axes = panels(rows, COLUMNS, (2.2 * COLUMNS, 2.1 * rows + 0.4))
    for panel, (pair, found) in zip(axes, data.items(), strict=False):
        near = [found["predicted"] * 10**away for away in (-DECADES, DECADES)]
        panel.axvspan(*near, color=SHADE, lw=0)
        panel.axvline(found["predicted"], color=BLACK, lw=1, ls="--")
        points = found["losses"]
        panel.plot(*zip(*points, strict=True), "o-", color=BLUE, mfc="white", ms=4, lw=1)
        best = min(points, key=lambda point: point[1])
        panel.plot(*best, "o", color=BLUE, ms=5)
        panel.set(xscale="log", title=pair.replace(", ", ",\n"))
        panel.xaxis.set_minor_formatter(NullFormatter())
        seen = [loss for _, loss in points if loss <= HIGHEST * best[1]]
        margin = 0.1 * (max(seen) - best[1]) or 0.1 * best[1]
        panel.set_ylim(best[1] - margin, max(seen) + margin)
    letter(axes[: len(data)])
    for panel in axes[len(data) :]:
        panel.set_axis_off()
    legend_below(figure, [], 2, [PREDICTED, NEAR])
    for panel in axes[max(len(data) - COLUMNS, 0) : len(data)]:
        panel.set_xlabel("learning rate")
    figure.supylabel("validation loss", fontsize="medium")
    return figure


def decades(data: dict[str, Any]) -> Figure:
    """Decades from the best learning rate of LoRA to the predicted one, for each model and task:
    means over {seeds} seeds, with 95 % intervals. Right of 0 the prediction is too high."""
    figure, [panel] = panels(1, 1, (6.4, 0.32 * len(data) + 1.2))
    names = [*data][::-1]
    panel.axvspan(-DECADES, DECADES, color=SHADE, lw=0)
    panel.axvline(0, color=BLACK, lw=1, ls="--")
    for row, name in enumerate(names):
        value, low, high = data[name]["decades"]
        panel.plot([low, high], [row, row], "-", color=BLUE, lw=1)
        panel.plot(value, row, "o", color=BLUE, ms=5)
    panel.set(
        yticks=range(len(names)),
        yticklabels=names,
        xlabel="decades from the best learning rate to the predicted one",
    )
    legend_below(figure, [], 1, [Patch(color=SHADE, label="half a decade to both sides")])
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    """None of the reduced size, which sweeps nothing."""
    return {"losses": losses(data), "decades": decades(data)} if data else {}
