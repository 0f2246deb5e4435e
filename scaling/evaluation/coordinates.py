"""The result of a coordinate check: a table of slopes beside exponents, a picture, the numbers, and
the verdict."""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table

from loralab.figures import STYLE
from loralab.files import whole, write_text
from loralab.ledger import show
from loralab.numbers import listed
from proxies.instruments.coordinates import QUANTITIES, Series

TOLERANCE = 0.15  # as wide as the worst of 608 slopes of single layers, at ties of two terms
LABELS = {
    "Z_A": "$Z_A$",
    "Z_B": "$Z_B$",
    "delta1": r"$\delta^1$",
    "delta2": r"$\delta^2$",
    "delta3": r"$\delta^3$",
}


class Result(NamedTuple):
    """The measurements of a check.

    Args:
        settings: of the check.
        cells: for each width and then seed the series of every layer.
        slopes: (seeds, layers, quantities, steps).
        predicted: the exponents by step and then quantity.
    """

    settings: dict[str, Any]
    cells: list[list[dict[str, Series]]]
    slopes: np.ndarray
    predicted: list[list[float]]

    @property
    def found(self) -> np.ndarray:
        """Slopes (quantities, steps), the mean over seeds and layers."""
        with np.errstate(invalid="ignore"):  # of zero and infinite ones: nan
            return self.slopes.mean((0, 1))


def faults(result: Result) -> list[str]:
    """In words what is not as it should be after the last step."""
    found, predicted = result.found[:, -1], result.predicted[-1]
    wrong = [
        f"{q} has the slope {_slope(slope)}, where theory says {_exponent(c)}"
        for q, slope, c in zip(QUANTITIES, found, predicted, strict=True)
        if not (slope == c or abs(slope - c) <= TOLERANCE)
    ]
    if (growth := found[QUANTITIES.index("Z_B")]) > TOLERANCE:
        wrong.append(f"unstable: Z_B grows with width, slope {_slope(growth)}")
    return wrong


def report(result: Result, folder: Path) -> int:
    """Print the table, write coord_check.json and coord_check.png; gives the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    show(table(result))
    wrong = faults(result)
    text = json.dumps(numbers(result, wrong), indent=1, allow_nan=False)
    write_text(folder / "coord_check.json", text + "\n")
    draw(result, folder / "coord_check.png")
    for line in wrong:
        print(line)
    if not wrong:
        print(
            f"every slope is within {TOLERANCE} of its exponent, and Z_B does not grow with width"
        )
    for kind in ("json", "png"):
        print(f"{folder / f'coord_check.{kind}'}")
    return 1 if wrong else 0


def table(result: Result) -> Table:
    """Slope (exponent) by step, and the range of the layers' slopes after the last."""
    s = result.settings
    steps = range(1, s["steps"] + 1)
    rates = " and ".join(f"n^{c:g}" for c in s["lr_exponents"])
    kind = f"{s['model_config']['model_type']}, {s['scheme']}, learning rates {rates}"
    made = Table(
        "",
        *(f"step {t}" for t in steps),
        "layers",
        title=f"Slopes in width (theory): {kind}",
        title_justify="left",
        pad_edge=False,
    )
    for i, quantity in enumerate(QUANTITIES):
        entries = [
            f"{_slope(result.found[i, t - 1])} ({_exponent(result.predicted[t - 1][i])})"
            for t in steps
        ]
        layers = result.slopes[:, :, i, -1].mean(0)
        made.add_row(quantity, *entries, f"{_slope(layers.min())} to {_slope(layers.max())}")
    return made


def numbers(result: Result, wrong: list[str]) -> dict[str, Any]:
    """All of it as JSON, with null for the slope of what is zero and for a size beyond all
    numbers."""
    return {
        "settings": result.settings,
        "agrees": not wrong,
        "faults": wrong,
        "quantities": QUANTITIES,
        "predicted": listed(result.predicted),
        "slopes": listed(result.slopes),
        "sizes": result.cells,
    }


def draw(result: Result, path: Path) -> None:
    """A panel for each feature: its size against width after every step, and the theory's slope
    dashed. All panels span as many decades, so that equal slopes look equal."""
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    widths, steps = result.settings["widths"], result.settings["steps"]
    sizes = {
        q: np.array(
            [[[layer[q] for layer in cell.values()] for cell in row] for row in result.cells], float
        )
        for q in QUANTITIES
    }
    # geometric means (widths, steps) over seeds and layers; nothing is drawn of a step that has a
    # zero or an infinity
    with np.errstate(divide="ignore", invalid="ignore"):
        curves = {q: np.log10(values).mean((1, 2)) for q, values in sizes.items()}
    drawn = {q: values[:, np.isfinite(values).all(0)] for q, values in curves.items()}
    spans = [np.ptp(values) for values in drawn.values() if values.size]
    decades = max([1.4, *spans]) + 0.6
    with plt.rc_context(STYLE):  # type: ignore[arg-type]
        figure, panels = plt.subplots(2, 3, figsize=(8, 4.8))
        colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, steps))
        for i, (q, axes) in enumerate(zip(QUANTITIES, panels.flat, strict=False)):
            for t in range(steps):
                if np.isfinite(curves[q][:, t]).all():
                    axes.loglog(widths, 10 ** curves[q][:, t], "o-", ms=3, lw=1, color=colours[t])
            if drawn[q].size:
                middle = (drawn[q].max() + drawn[q].min()) / 2
                axes.set_ylim(10 ** (middle - decades / 2), 10 ** (middle + decades / 2))
                if math.isfinite(c := result.predicted[-1][i]):
                    last = 10 ** (drawn[q][0, -1] + 0.15)
                    axes.loglog(widths, last * (np.array(widths) / widths[0]) ** c, "k--", lw=1)
            found = _slope(result.found[i, -1])
            axes.set(
                title=f"{LABELS[q]}: slope {found}, theory {_exponent(result.predicted[-1][i])}",
                xscale="log",
            )
            axes.set_xticks(widths, [str(width) for width in widths])
            axes.minorticks_off()
        for axes in panels[:, 0]:
            axes.set_ylabel("root mean square")
        for axes in (*panels[1, :2], panels[0, 2]):
            axes.set_xlabel("width $n$")
        key = panels[1, 2]
        key.axis("off")
        lines = [
            key.plot([], [], "o-", ms=3, lw=1, color=colours[t], label=f"step {t + 1}")[0]
            for t in range(steps)
        ]
        lines += key.plot([], [], "k--", lw=1, label="theory's slope, last step")
        key.legend(handles=lines, loc="center")
        with whole(path) as partial:
            figure.savefig(partial, format="png", dpi=150)
        plt.close(figure)


def _slope(value: float) -> str:
    special = {-math.inf: "zero", math.inf: "infinite"}
    return special.get(value) or ("zero at times" if math.isnan(value) else f"{value:.2f}")


def _exponent(value: float) -> str:
    return f"{value:g}" if math.isfinite(value) else "zero"
