"""The figure of README.md: what a method gains at one learning rate, and at each one's own best."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers; markers and words tell them too.
STYLES = {"LoRA": ("#0072B2", "o"), "OP-LoRA": ("#D55E00", "D")}
Ends = tuple[float, float, float]


def headline(lines: Sequence[Mapping[str, Any]], at: float, fixed: Ends, best: Ends) -> Figure:
    """Distance to the wanted images against the learning rate: mean and range over the seeds, the
    best learning rates larger.

    Args:
        lines: the two methods' lines, as the tables of overparam_generation have them.
        at: the learning rate at which both are compared.
        fixed: distance of OP-LoRA over LoRA's at that learning rate, with its interval.
        best: the same with each at its own best learning rate.
    """
    figure, axes = plt.subplots(figsize=(6.4, 3.2))
    for line in lines:
        colour, marker = STYLES[line["method"]]
        mean, low, high = (np.array(line[name], float) for name in ("mean", "low", "high"))
        axes.plot(line["rates"], mean, color=colour, marker=marker, ms=4, label=line["method"])
        best_at = line["best"]
        axes.plot(line["rates"][best_at], mean[best_at], marker, color=colour, ms=9)
        axes.fill_between(line["rates"], low, high, color=colour, alpha=0.15, lw=0)
    axes.axvline(at, color="black", lw=0.8, ls=":")
    axes.set(xscale="log", yscale="log", xlabel="learning rate", ylim=(3.3, 300))
    axes.set_ylabel("distance to wanted images (MMD)")
    both = f"both at $10^{{{np.log10(at):.0f}}}$:"
    axes.text(at * 1.15, 120, f"{both}\nOP-LoRA's is {_ratio(fixed)} of LoRA's")
    axes.text(
        at * 1.15, 3.5, f"each at its own best (large): {_ratio(best)} of LoRA's", va="bottom"
    )
    above = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2}
    axes.legend(ncols=2, title="mean and range over seeds; ratios with 95 % intervals", **above)
    return figure


def _ratio(ends: Ends) -> str:
    value, low, high = ends
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"
