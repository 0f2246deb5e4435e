"""Figure of the generalization gap of a language model's adapter with one factor trained, and
both."""

from typing import Any

from matplotlib.figure import Figure

from paper_figs.panels import BLUE, GREEN, RED, legend_below, letter, panels

COLOURS = {"LoRA": (BLUE, "o"), "B alone": (GREEN, "s"), "A alone": (RED, "^")}


def losses(data: dict[str, Any]) -> Figure:
    """Loss of SmolLM2-135M over the learning rate with both factors trained (LoRA) and with one of
    them alone, after 60 steps on 24 examples; mean of {seeds} seeds, without intervals, as methods
    are compared seed by seed. Filled: the learning rate with the least validation loss. (a) On the
    examples that were trained on. (b) On unseen ones. (c) The generalization gap, (b) minus (a)."""
    figure, axes = panels(1, 3, (8, 3.2))
    for name, (colour, marker) in COLOURS.items():
        of = data[name]
        rates = [rate for rate, _ in of["train"]]
        seen, unseen = ([loss for _, loss in of[part]] for part in ("train", "unseen"))
        gap = [u - s for s, u in zip(seen, unseen, strict=True)]
        for axis, values in zip(axes, (seen, unseen, gap), strict=True):
            axis.plot(rates, values, f"{marker}-", color=colour, mfc="none", label=name)
            if of["best"] in rates:
                best = rates.index(of["best"])
                axis.plot(rates[best], values[best], marker, color=colour)
    for axis, title in zip(axes, ("trained on", "unseen", "gap"), strict=True):
        axis.set(xscale="log", title=title, xlabel="learning rate")
    axes[0].set_ylabel("bits a byte")
    letter(axes)
    legend_below(figure, axes, 3)
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    """None of the reduced size."""
    return {"losses": losses(data)} if data else {}
