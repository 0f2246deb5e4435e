"""Figure of a training of OP-LoRA: how the effective learning rate of a layer moves."""

from typing import Any

from matplotlib.figure import Figure

from paper_figs.panels import BLUE, RED, legend_below, letter, panels

KINDS = {"agree": ("gradient agrees", BLUE, "o"), "oppose": ("gradient opposes", RED, "s")}


def factor(data: dict[str, Any]) -> Figure:
    """The effective learning rate of OP-LoRA's layers, the nominal one times 1 + |h|_1, in a
    training of a language model; over all layers of {seeds} seeds. (a) 1 + |h|_1 before a step over
    its first value: the median, and a band without the lowest and the highest tenth.
    (b) The share of layers whose 1 + |h|_1 grows in a step, a mark for each step: of the layers
    whose gradient agrees with the change of the step before, and of the others."""
    figure, (left, right) = panels(1, 2, (7, 3.2))
    low, middle, high = zip(*data["factor"], strict=True)
    steps = range(1, len(middle) + 1)
    left.plot(steps, middle, color=BLUE, label="median")
    left.fill_between(steps, low, high, color=BLUE, alpha=0.2, lw=0, label="eight tenths of layers")
    left.set(title="effective learning rate", xlabel="step", ylabel="over its first value")
    for name, (label, colour, marker) in KINDS.items():
        shares = data["grows"][name]
        tells = [k for k, share in enumerate(shares) if share is not None]
        marks = {"color": colour, "mfc": "none", "ms": 4, "label": label}
        right.plot([k + 2 for k in tells], [shares[k] for k in tells], marker, **marks)
    right.set(title="share that grows", xlabel="step", ylim=(-0.03, 1.03))
    letter((left, right))
    legend_below(figure, [left, right], 4)
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    """None of the reduced size."""
    return {"factor": factor(data)} if data else {}
