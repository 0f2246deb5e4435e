"""Figures of the comparison on a language model: the improvement of the test loss against the
learning rate, and what each method improves beside LoRA, each at its own best learning rate."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers; line styles tell the panels' methods
# apart without them.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7")
STYLES = ("o-", "s--", "D-.", "v:", "^-", "P--")
MARGIN = 0.02
REFERENCE = "LoRA"
PANELS = {
    "random and data-driven": ("Init[B]", "orthogonal", "EVA", "gradient signal", "Nyström"),
    "of the weight": ("PiSSA", "PiSSA, random basis", "MiLoRA", "OLoRA", "CorDA"),
    "of the gradient": ("LoRA-GA", "LoRA-One", "LoRA-Init", "gradient Nyström"),
    "variants": ("OP-LoRA", "Dash", "DoRA", "LoRA+", "rsLoRA"),
    "one factor, or all": ("B alone", "B alone, rank 16", "A alone, rank 17", "full"),
}


def rates(data: dict[str, Any]) -> Figure:
    """Improvement of the test loss over the base model's against the learning rate, in bits a byte,
    a panel for each group of methods, with LoRA in all: means over seeds, without intervals.
    Filled: the learning rate that validation chose. A panel has the methods that were run; learning
    rates without improvement are left out."""
    panels = {
        title: [name for name in names if name in data]
        for title, names in PANELS.items()
        if any(name in data for name in names)
    }
    figure, axes = plt.subplots(
        2, -(-len(panels) // 2), figsize=(8.5, 6.5), sharex=True, sharey=True, layout="constrained"
    )
    for axis, (title, names) in zip(axes.flat, panels.items(), strict=False):
        for name, colour, style in zip((REFERENCE, *names), COLOURS, STYLES, strict=False):
            points = [point for point in data[name]["improvements"] if point[1] > 0]
            axis.plot(
                *zip(*points, strict=True), style, color=colour, mfc="white", ms=5, lw=1, label=name
            )
            best = next(point for point in points if point[0] == data[name]["best"])
            axis.plot(*best, style[0], color=colour, ms=6)
        axis.set(xscale="log", title=title)
        # below the panel, where it hides no curve
        axis.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    figure.supxlabel("learning rate", fontsize="medium")
    figure.supylabel("improvement of the test loss, bits a byte", fontsize="medium")
    return figure


def improvements(data: dict[str, Any]) -> Figure:
    """Each method's improvement of the test loss over LoRA's, each at its own best learning rate,
    the largest on top: points, with 95 % intervals in which the choice of the learning rate is
    repeated. Shaded: within 2 % of LoRA."""
    found = {name: of["over LoRA"] for name, of in data.items() if of["over LoRA"]}
    names = sorted(found, key=lambda name: found[name][0])
    figure, axes = plt.subplots(figsize=(5.5, 0.8 + 0.25 * len(names)), layout="constrained")
    axes.axvspan(1 - MARGIN, 1 + MARGIN, color="#DDDDDD")
    axes.axvline(1, color="black", lw=0.8)
    for y, name in enumerate(names):
        value, low, high = found[name]
        axes.plot((low, high), (y, y), color=COLOURS[1], lw=1.5)
        axes.plot(value, y, "o", color=COLOURS[1], ms=5)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="improvement of the test loss over LoRA's (95 % intervals)")
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    """None of the reduced size, which compares nothing."""
    return {"rates": rates(data), "improvements": improvements(data)} if data else {}
