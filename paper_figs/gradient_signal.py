"""Figures of the gradient-signal family: what initializations capture, how batches change it, what
it is worth in training."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers; random rows are grey.
COLOURS = {
    "default": ("#777777", "-", "o"),
    "orthogonal": ("#777777", "--", "s"),
    "same E|Ax|^2": ("#222222", ":", "D"),
    "EVA": ("#0072B2", "-", "o"),
    "EVA uncentred": ("#56B4E9", "-", "s"),
    "EVA rotated": ("#56B4E9", ":", "x"),
    "minor": ("#E69F00", "-", "v"),
    "gradient SVD": ("#D55E00", "-", "^"),
    "gradient_signal": ("#009E73", "-", "D"),
    "PiSSA": ("#CC79A7", "-", "v"),
    "LoRA-GA": ("#CC79A7", "--", "P"),
}
LABELS = {
    "default": "default (init_a)",
    "same E|Ax|^2": r"orthogonal, EVA's $E|Ax|^2$",
    "gradient SVD": "SVD of the gradient",
}
DRAWN = ("default", "EVA", "EVA uncentred", "gradient SVD", "gradient_signal", "minor")
TRAINED = ("default", "EVA", "gradient SVD", "gradient_signal", "same E|Ax|^2", "PiSSA", "LoRA-GA")
PLACES = {"digits": "digits, first layer", "minilm": "MiniLM, first block's wide layer"}
RUNS = {
    "digits adam": "digits",
    "photographs adam": "photographs",
    "docstrings adam": "docstrings (MiniLM layer)",
    "code adam": "code (MiniLM layer)",
}


def _axes(panels: int, rows: int = 1) -> tuple[Figure, list[Axes]]:
    figure, axes = plt.subplots(
        rows, panels, figsize=(6.5, 2.6 * rows + 0.2), layout="constrained", squeeze=False
    )
    return figure, list(axes.ravel())


def _curve(axes: Axes, x: Any, y: Any, name: str) -> None:
    colour, line, marker = COLOURS[name]
    label = LABELS.get(name, name)
    axes.plot(x, y, line, color=colour, marker=marker, ms=3, lw=1.2, label=label)


def _legend(figure: Figure, axes: Axes) -> None:
    """Below the panels, where it hides no curve."""
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=7
    )


def _curves_of(data: dict[str, Any]) -> dict[str, Any]:
    """The layer that is looked into, of each network that was measured."""
    return {
        place: next(one["curves"] for one in layers if one["curves"])
        for place, layers in data["layers"].items()
    }


def signal(data: dict[str, Any]) -> Figure:
    """The part of the whole gradient signal of a token, Tr Q, that rows A of equal length capture,
    against the rank, in one layer of each network. One curve for each initialization, without
    repetition; curves that coincide hide each other."""
    curves = _curves_of(data)
    figure, panels = _axes(len(curves))
    for axes, (place, curve) in zip(panels, curves.items(), strict=True):
        for name in DRAWN:
            _curve(axes, curve["ranks"], curve["by rank"][name], name)
        axes.set(
            xscale="log",
            xlabel="rank $r$",
            ylabel=r"Tr$(AQA^T)\,/\,$Tr $Q$",
            title=PLACES[place],
            ylim=(-0.02, 1),
        )
        axes.set_xticks(curve["ranks"], [str(rank) for rank in curve["ranks"]])
        axes.minorticks_off()
    _legend(figure, panels[0])
    return figure


def flip(data: dict[str, Any]) -> Figure:
    """The gradient signal of a batch. Left: signal of EVA over that of the gradient's singular
    vectors in a regression with two inputs, against the batch size; line: theory, points: means,
    bars: two standard deviations over repetitions, dashed: where theory has both equal. Right: the
    share of the batch's optimum that each initialization captures in a real layer, against the
    tokens in a batch, without repetition."""
    curves = _curves_of(data)
    figure, (left, right) = _axes(2)
    found = data["flip"]
    n, moments = np.array(found["batches"]), np.array(found["moments"])
    left.plot(n, moments[:, 0] / moments[:, 1], color="black", lw=1, label="theory")
    for i, (size, ratios) in enumerate(found["measured"]):
        label = "" if i else "measured"
        left.errorbar(
            size, np.mean(ratios), 2 * np.std(ratios), fmt="o", color="#0072B2", ms=4, label=label
        )
    left.axhline(1, color="#777777", lw=0.6)
    left.axvline(found["n"], color="#777777", lw=0.6, ls="--")
    left.text(found["n"] * 0.94, 1.35, f"$n^*={found['n']:.2f}$", ha="right", fontsize=8)
    left.set(
        xscale="log",
        xlabel="batch $n$",
        ylabel="signal, EVA / SVD",
        title="regression, 2 inputs",
    )
    left.set_xlim(1, 100)
    left.legend(fontsize=8, loc="upper right")
    place, curve = list(curves.items())[-1]
    for name in DRAWN:
        _curve(right, curve["batches"], curve["by batch"][name], name)
    right.set(
        xscale="log",
        xlabel="tokens $n$ in a batch",
        ylabel="share of the optimum of $M_n$",
        title=PLACES[place],
    )
    right.set_ylim(-0.02, 1.04)
    _legend(figure, right)
    return figure


def convergence(data: dict[str, Any]) -> Figure:
    """A row for each task and optimizer. Left: validation loss against the learning rate at the
    largest number of steps, the mean over seeds. Right: test loss over that of the default
    initialization, each at its own best learning rate, against the number of steps: geometric mean
    over seeds. The bars are one standard deviation over seeds, divided by the root of their number:
    on digits, whose splits share examples, an underestimate."""
    runs = {key: title for key, title in RUNS.items() if key in data["tuned"]}
    figure, panels = _axes(2, len(runs))
    for i, (key, title) in enumerate(runs.items()):
        left, right = panels[2 * i : 2 * i + 2]
        steps = data["tuned"][key]["steps"]
        for name in TRAINED:
            run = data["tuned"][key][name]
            curve = [np.nan if loss is None else loss for loss in run["by rate"][-1]]
            _curve(left, run["rates"], curve, name)
            default = np.array(data["tuned"][key]["default"]["test"])
            logs = np.log(np.array(run["test"]) / default)
            half = logs.std(1, ddof=1) / np.sqrt(logs.shape[1]) if name != "default" else 0
            colour, line, marker = COLOURS[name]
            right.errorbar(
                steps,
                np.exp(logs.mean(1)),
                np.exp(logs.mean(1)) * half,
                fmt=line + marker,
                color=colour,
                ms=3,
                lw=1.2,
                capsize=2,
            )
        losses = [
            x for name in TRAINED for x in data["tuned"][key][name]["by rate"][-1] if x is not None
        ]
        left.set(xscale="log", yscale="log", ylim=(0.9 * min(losses), 3 * float(np.median(losses))))
        left.set(
            xlabel="learning rate", ylabel="validation loss", title=f"{title}, {steps[-1]} steps"
        )
        right.set(
            xscale="log",
            xlabel="steps",
            ylabel="test loss / default's",
            title="each at its best learning rate",
        )
        right.set_xticks(steps, [str(n) for n in steps])
        right.minorticks_off()
    _legend(figure, panels[0])
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    return {"signal": signal(data), "flip": flip(data), "convergence": convergence(data)}
