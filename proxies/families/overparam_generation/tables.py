"""From finished cells to the tables that people read, and to the data that the figures are drawn
from."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from proxies.families.overparam_generation.evidence import Key, Records
from proxies.families.overparam_generation.trials import compare
from proxies.families.overparam_generation.trials.scores import SCORES
from proxies.families.overparam_generation.trials.sweep import MAIN, Cell


def rows(target: str, cells: Mapping[Key, Cell]) -> Records:
    """The table of one target: means over seeds at the best rate, the window in decades."""
    found = []
    for (name, method, rank), cell in cells.items():
        if name != target:
            continue
        window = compare.widths(cell)
        found.append(
            {
                "method": method,
                "rank": rank,
                "numbers": cell["parameters"],
                "rates": len(cell["rates"]),
                "best rate": None if cell["best"] is None else cell["rates"][cell["best"]],
                "edge": cell["edge"],
                **{score: _mean(compare.at_best(cell, score)) for score in cell["test"]},
                "MMD at 1e-4": _mean(compare.at_fixed(cell)),
                "decades within 1.5": _mean(window),
            }
        )
    return sorted(
        found,
        key=lambda row: (
            row["rank"],
            row["method"][3:] if row["method"][2] == "-" else row["method"],
        ),
    )


def _mean(values: Any) -> float | None:
    return None if values is None else float(np.mean(values))


def series(key: Key, cell: Cell) -> dict[str, Any]:
    """One line of the figures: MMD against rate, the mean and range over seeds where none
    diverged."""
    found = compare.table(cell["test"][MAIN])
    bands = {
        name: [None if np.isnan(x) else float(x) for x in f(found, 1)]
        for name, f in (("mean", np.mean), ("low", np.min), ("high", np.max))
    }
    target, method, rank = key
    return {
        "target": target,
        "method": method,
        "rank": rank,
        "rates": cell["rates"],
        "best": cell["best"],
        **bands,
    }


def grids(cells: Mapping[Key, Cell]) -> Records:
    return [
        {"target": target, "method": method, "rank": rank, **cell["shown"]}
        for (target, method, rank), cell in cells.items()
    ]


def level(scores: Records) -> dict[str, float]:
    """The mean over seeds of each score."""
    return {name: float(np.mean([one[name] for one in scores])) for name in scores[0]}


def anchors(known: Mapping[str, Any]) -> Records:
    """One row a target and a set of images."""
    found = []
    for target, one in known.items():
        means = level(one["scores"])
        for name, title in (
            ("target", "its own, of training"),
            ("seen", "the seen digits"),
            ("base", "of the base"),
        ):
            scores = {score: means[f"{name} {score}"] for score in SCORES}
            found.append({"target": target, "images": title, **scores})
    return found
