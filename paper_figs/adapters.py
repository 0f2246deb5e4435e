"""Figure of what adapters hold on a language model: where the first gradients lie, and what trained
factors have in common."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

# of Okabe and Ito, told apart by colour-blind readers, as are the markers
STYLES = {"A": ("#0072B2", "o"), "B": ("#D55E00", "s")}
ROWS = {"centred": "EVA, as released", "uncentred": "EVA, second moment", "random": "random"}
RUNS = {"same_seed": "two tasks", "same_task": "two seeds", "neither": "both differ"}


def held(data: dict[str, Any]) -> Figure:
    """What adapters hold on a language model. a: the share of the largest expected gradient signal
    that rows of three kinds get, a point for each seed. b: the share of the span that two trained
    adapters have in common, for rows of A and columns of B: the same seed on two tasks, the same
    task from two seeds, and neither; a point for each pair of seeds."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.8), layout="constrained")
    for x, name in enumerate(ROWS):
        values = [each[name] for each in data["signals"]]
        left.plot([x] * len(values), values, "o", color="black", mfc="none", ms=5)
    left.set_xticks(range(len(ROWS)), ROWS.values(), fontsize=8)
    left.set(title="a", ylabel="share of the optimum's signal", ylim=(0, 1.05))
    for shift, (factor, (colour, marker)) in zip((-0.1, 0.1), STYLES.items(), strict=True):
        for x, name in enumerate(RUNS):
            values = [
                sum(each[factor] for each in pair[name]) / len(pair[name]) for pair in data["pairs"]
            ]
            right.plot(
                [x + shift] * len(values),
                values,
                marker,
                color=colour,
                mfc="none",
                ms=5,
                label=None if x else f"{'rows' if factor == 'A' else 'columns'} of {factor}",
            )
    right.set_xticks(range(len(RUNS)), RUNS.values(), fontsize=8)
    right.set(title="b", ylabel="share of the span in common", ylim=(0, 1.05))
    right.legend(fontsize=8)
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    """None of the reduced size."""
    return {"held": held(data)} if data else {}
