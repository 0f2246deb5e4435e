"""Figures of OP-LoRA on image generation: distance against learning rate, and the images
themselves."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers.
STYLES = {
    "LoRA": ("#0072B2", "o"),
    "OP-LoRA": ("#D55E00", "D"),
    "DoRA": ("#56B4E9", "s"),
    "OP-DoRA": ("#E69F00", "^"),
}
PER_IMAGE = 0.4  # inches


def rates(data: dict[str, Any], target: str) -> Figure:
    """Distance (MMD) of drawn images from test images against the learning rate, a panel for each
    rank: mean over seeds, with a band from the least to the greatest seed. Dotted: the base model
    before training. Lower is better."""
    lines = [
        line
        for method in STYLES
        for line in data["series"]
        if (line["method"], line["target"]) == (method, target)
    ]
    ranks = sorted({line["rank"] for line in lines})
    figure, panels = plt.subplots(
        1, len(ranks), figsize=(2.5 * len(ranks), 2.7), sharey=True, squeeze=False
    )
    for axes, rank in zip(panels[0], ranks, strict=True):
        for line in (line for line in lines if line["rank"] == rank):
            colour, marker = STYLES[line["method"]]
            mean, low, high = (np.array(line[name], float) for name in ("mean", "low", "high"))
            axes.plot(
                line["rates"], mean, color=colour, marker=marker, ms=3.5, lw=1, label=line["method"]
            )
            axes.fill_between(line["rates"], low, high, color=colour, alpha=0.15, lw=0)
        before = data["anchors"][target]["base MMD"]
        axes.axhline(before, color="black", lw=0.8, ls=":", label="base model")
        axes.set(xscale="log", yscale="log", xlabel="learning rate", title=f"rank {rank}")
        axes.set_ylim(data["anchors"][target]["target MMD"] / 2, 3 * before)
    panels[0, 0].set_ylabel("MMD to test images")
    panels[0, -1].legend(
        fontsize=7, loc="lower center", ncols=2, title="mean and range over seeds", title_fontsize=7
    )
    return figure


def images(data: dict[str, Any], target: str) -> Figure:
    """8 x 8 images, unselected, all from the same noises: real ones, the base model's, and those of
    each method at its best learning rate and at 1e-4. The ranks stand beside the rows."""
    drawn = {
        (one["method"], one["rank"]): one
        for one in data["grids"]
        if one["target"] == target and "best" in one
    }
    ranks = sorted({rank for _, rank in drawn})
    shown = [(method, ranks[-1]) for method in STYLES] + [("LoRA", ranks[0]), ("OP-LoRA", ranks[0])]
    rows = [("real", data["real"][target]), ("base model", data["base"])]
    for method, rank in (key for key in shown if key in drawn):
        for kind, rate in (("best", "best learning rate"), ("fixed", "1e-4")):
            rows.append((f"{method}, $r={rank}$, {rate}", drawn[method, rank][kind]))
    size = (2.1 + PER_IMAGE * len(rows[0][1]), PER_IMAGE * len(rows))
    figure, panels = plt.subplots(len(rows), 1, figsize=size, squeeze=False)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(h_pad=0.02, hspace=0)  # type: ignore[call-arg]
    for axes, (title, found) in zip(panels[:, 0], rows, strict=True):
        pictures = np.array(found).reshape(-1, 8, 8)
        # a white gap between images
        padded = np.pad(pictures, ((0, 0), (0, 0), (0, 1)), constant_values=16)
        axes.imshow(
            np.concatenate(list(padded), 1), cmap="gray", vmin=0, vmax=16, interpolation="nearest"
        )
        axes.set(xticks=[], yticks=[])
        axes.set_ylabel(title, rotation=0, ha="right", va="center", fontsize=7)
        axes.spines[:].set_visible(False)
        axes.set_anchor("E")
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    targets = sorted({line["target"] for line in data["series"]})
    name = lambda kind, target: f"{kind}-{target.replace(' ', '-')}"
    return {name("rates", t): rates(data, t) for t in targets} | {
        name("images", t): images(data, t) for t in targets
    }
