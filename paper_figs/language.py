"""Figures of the comparison on a language model: the improvement of the test loss against the
learning rate, and what each method improves beside LoRA, each at its own best learning rate."""

from typing import Any

from matplotlib.figure import Figure

from paper_figs.panels import BLACK, BLUE, SHADE, letter, panels, swept

MARGIN = 0.02
REFERENCE = "LoRA"
PANELS = {
    "random and data-driven": ("Init[B]", "orthogonal", "EVA", "gradient signal", "Nyström"),
    "of the weight": ("PiSSA", "PiSSA, random basis", "MiLoRA", "OLoRA", "CorDA"),
    "of the gradient": ("LoRA-GA", "LoRA-One", "LoRA-Init", "gradient Nyström"),
    "variants": ("OP-LoRA", "Dash", "DoRA", "LoRA+", "rsLoRA"),
    "one factor, or all": ("B alone", "B alone, rank 16", "A alone, rank 17", "full"),
    "other ranks, and both": (
        "LoRA, rank 16",
        "OP-LoRA, rank 4",
        "EVA, rho 2",
        "NoRA+",
        "LoRA-TSD",
    ),
}


def rates(data: dict[str, Any]) -> Figure:
    """Improvement of the test loss over the base model's against the learning rate, in bits a byte,
    a panel for each group of methods, with LoRA in all: means over {seeds} seeds, without
    intervals. Filled: the learning rate that validation chose. A panel has the methods that were
    run; learning rates without improvement are left out. Where curves coincide, the last of the
    legend is on top. The last group is LoRA and OP-LoRA of other ranks, EVA with ranks that differ
    by layer, and an initialization joined with an optimizer or a variant (NoRA+, LoRA-TSD)."""
    found = {
        title: [name for name in names if name in data]
        for title, names in PANELS.items()
        if any(name in data for name in names)
    }
    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    size = (2.9 * columns, 3.3 * rows)
    figure, axes = panels(rows, columns, size, sharex=True, sharey=True)
    for panel, (title, names) in zip(axes, found.items(), strict=False):
        curves = {
            name: [point for point in data[name]["improvements"] if point[1] > 0]
            for name in (REFERENCE, *names)
        }
        swept(panel, curves, {name: data[name]["best"] for name in curves})
        panel.set(xscale="log", title=title)
    for i, panel in enumerate(axes):
        panel.tick_params(labelbottom=i + columns >= len(found))  # of the last in its column
        if i >= len(found):
            panel.set_axis_off()
    letter(axes[: len(found)])
    figure.supxlabel("learning rate", fontsize="medium")
    figure.supylabel("improvement of the test loss, bits a byte", fontsize="medium")
    return figure


def improvements(data: dict[str, Any]) -> Figure:
    """Each method's improvement of the test loss over LoRA's, each at its own best learning rate,
    the largest on top: points are over {seeds} seeds, with 95 % intervals in which the choice of
    the learning rate is repeated, and which may be shorter than a point; 1 is LoRA. Shaded: within
    2 % of LoRA."""
    found = {name: of["over LoRA"] for name, of in data.items() if of["over LoRA"]}
    names = sorted(found, key=lambda name: found[name][0])
    figure, (axes,) = panels(1, 1, (5.5, 0.8 + 0.22 * len(names)))
    axes.axvspan(1 - MARGIN, 1 + MARGIN, color=SHADE)
    axes.axvline(1, color=BLACK, lw=0.8)
    for y, name in enumerate(names):
        value, low, high = found[name]
        axes.plot((low, high), (y, y), color=BLUE, lw=1.5)
        axes.plot(value, y, "o", color=BLUE, ms=5)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="improvement of the test loss, method / LoRA", ylim=(-0.7, len(names) - 0.3))
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    """None of the reduced size, which compares nothing."""
    return {"rates": rates(data), "improvements": improvements(data)} if data else {}
