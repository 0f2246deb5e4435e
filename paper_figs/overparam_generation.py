"""Figures of OP-LoRA on image generation: distance against learning rate, and the images
themselves."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from paper_figs.panels import BLACK, BLUE, ORANGE, RED, SKY, legend_below, letter, panels

STYLES = {
    "LoRA": (BLUE, "o"),
    "OP-LoRA": (RED, "D"),
    "DoRA": (SKY, "s"),
    "OP-DoRA": (ORANGE, "^"),
}
SHOWN = ("LoRA", "OP-LoRA")
FIXED = 1e-4  # the learning rate of the images that are not of a best one
PER_IMAGE = 0.4  # inches


def rates(data: dict[str, Any], target: str) -> Figure:
    """Distance (MMD) of drawn images from test images against the learning rate, a panel for each
    rank: mean over {seeds} seeds, with a band from the least to the largest of them. A curve ends
    with the learning rates that were tried or where a seed diverges, or goes on outside the frame;
    a filled marker is the best learning rate. Where the curves of a method and of its DoRA nearly
    coincide, one hides the other. Dotted: the base model before training. Lower is better."""
    lines = [
        line
        for method in STYLES
        for line in data["series"]
        if (line["method"], line["target"]) == (method, target)
    ]
    ranks = sorted({line["rank"] for line in lines})
    figure, axes = panels(1, len(ranks), (2.5 * len(ranks), 3.1), sharey=True)
    before = data["anchors"][target]["base MMD"]
    for panel, rank in zip(axes, ranks, strict=True):
        for line in (line for line in lines if line["rank"] == rank):
            colour, marker = STYLES[line["method"]]
            mean, low, high = (np.array(line[name], float) for name in ("mean", "low", "high"))
            style: dict[str, Any] = {"color": colour, "marker": marker, "ms": 4, "lw": 1}
            panel.plot(line["rates"], mean, mfc="white", label=line["method"], **style)
            panel.fill_between(line["rates"], low, high, color=colour, alpha=0.15, lw=0)
            if (best := line["best"]) is not None:
                panel.plot(line["rates"][best], mean[best], **style)
        panel.axhline(before, color=BLACK, lw=0.8, ls=":", label="base model")
        panel.set(xscale="log", yscale="log", xlabel="learning rate", title=f"rank {rank}")
        panel.set_ylim(data["anchors"][target]["target MMD"], 3 * before)
    axes[0].set_ylabel("MMD to test images")
    letter(axes)
    legend_below(figure, axes, 5)
    return figure


def images(data: dict[str, Any], target: str) -> Figure:
    """8 x 8 images of one seed, unselected: real ones of the target, and what the base model and
    the adapters draw, a column for each noise, at the best learning rate of each method and at
    1e-4. Beside each row is how far all images drawn like it are from test images (MMD), a mean
    over {seeds} seeds; beside real ones, how far the training images are."""
    anchors = data["anchors"][target]
    rows = [
        (f"real, {anchors['target MMD']:.3g}", data["real"][target]),
        (f"base model, {anchors['base MMD']:.3g}", data["base"]),
    ]
    grids = [one for one in data["grids"] if one["target"] == target and "best" in one]
    largest = max(one["rank"] for one in grids)
    drawn = {one["method"]: one for one in grids if one["rank"] == largest}
    for method in filter(drawn.__contains__, SHOWN):
        [line] = [
            one
            for one in data["series"]
            if (one["target"], one["method"], one["rank"]) == (target, method, largest)
        ]
        fixed = int(np.argmin(np.abs(np.log(np.array(line["rates"]) / FIXED))))
        for kind, at, words in (("best", line["best"], "best"), ("fixed", fixed, "1e-4")):
            distance = f"{line['mean'][at]:.3g}"
            rows.append((f"{method}, {words}, {distance}", drawn[method][kind]))
    size = (2.1 + PER_IMAGE * len(rows[0][1]), PER_IMAGE * len(rows) + 0.3)
    figure, axes = panels(len(rows), 1, size)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(h_pad=0.02, hspace=0)  # type: ignore[call-arg]
    for panel, (title, found) in zip(axes, rows, strict=True):
        pictures = np.array(found).reshape(-1, 8, 8)
        # a white gap between images
        padded = np.pad(pictures, ((0, 0), (0, 0), (0, 1)), constant_values=16)
        strip = np.concatenate(list(padded), 1)
        panel.imshow(strip, cmap="gray", vmin=0, vmax=16, interpolation="nearest")
        panel.set(xticks=[], yticks=[])
        panel.set_ylabel(title, rotation=0, ha="right", va="center", fontsize=8)
        panel.spines[:].set_visible(False)
        panel.set_anchor("E")
    title = f"{target}, rank {largest}: learning rate and MMD beside each row"
    axes[0].set_title(title, fontsize="medium")
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    targets = sorted({line["target"] for line in data["series"]})
    name = lambda kind, target: f"{kind}-{target.replace(' ', '-')}"
    return {name("rates", t): rates(data, t) for t in targets} | {
        name("images", t): images(data, t) for t in targets
    }
