"""From finished cells to the evidence of each claim, the tables and what the figures are drawn
from."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.memo import Memo
from loralab.statistics import mean, proportion, spread
from proxies.families.matfac.trials import compare, sweep
from proxies.families.matfac.trials.laws import draws
from proxies.families.matfac.trials.sweep import Cell

Key = tuple[str, str, str]  # target, optimiser, method
Measurements = dict[str, Sequence[Measured | None]]
Compared = Callable[[Cell, Cell], Measured | None]
DRAWS, SCALE_DRAWS = 20, 200
FIXED = (
    ("gauss", "Adam", 1e-3),
    ("gauss", "SGD", 1e-2),
    ("ill", "Adam", 1e-4),
    ("ill", "SGD", 1e-2),
)
"""OP10: its checks in their order, each at one rate for both methods."""
TOO_LARGE = ("gauss", "SGD", 0.3)
"""OP13: a rate that is too large for a generator and not for plain LoRA."""

LAW_CELLS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "relu": ("identities", DRAWS, {"activation": "relu"}),
    "linear": ("identities", DRAWS, {"activation": "linear"}),
    "expansion": ("expansion", DRAWS, {}),
    "conservation": ("conservation", DRAWS, {}),
    "balanced": ("balanced", DRAWS, {}),
    "adam": ("adam", DRAWS, {}),
    "agree": ("hypergradient", DRAWS, {"reach": 0.3}),
    "oppose": ("hypergradient", DRAWS, {"reach": 1.6}),
    "scale": ("scale", SCALE_DRAWS, {}),
    "bias": ("safety", DRAWS, {"kind": "bias"}),
    "match": ("safety", DRAWS, {"kind": "match"}),
    "dead": ("dead", DRAWS, {}),
}


def laws(memo: Memo) -> Measurements:
    """OP1..OP9, and of OP13 the check that is a law: on every draw, so with the range over
    draws."""
    cells = [
        {"law": law, "count": count, "arguments": arguments}
        for law, count, arguments in LAW_CELLS.values()
    ]
    found = dict(zip(LAW_CELLS, memo.map(draws, cells), strict=True))
    over = lambda cell, *names: [spread(found[cell][name]) for name in names]
    identity = ("one step", "telescoped")
    return {
        "OP1": over("relu", *identity) + over("linear", *identity),
        "OP2": over("expansion", "residual", "first slope", "second slope"),
        "OP3": over("expansion", "least eigenvalue", "larger eigenvalues"),
        "OP4": over("conservation", "ratio", "one step"),
        "OP5": over("balanced", "error"),
        "OP6": over("adam", "error", "error of signs"),
        "OP7": over("agree", "same sign") + over("oppose", "same sign") + over("agree", "error"),
        "OP8": [mean(found["scale"]["variance"])],
        "OP9": over("bias", "start") + over("match", "start") + over("bias", "merge"),
        "OP13": over("dead", "difference"),
    }


def comparisons(
    swept: Mapping[Key, Cell], fixed: Mapping[Key, Cell], too_large: Mapping[Key, Cell]
) -> Measurements:
    """OP10..OP12 and the rest of OP13; None for a check whose cells were not run or cannot be
    compared."""

    def paired(
        compared: Compared, first: Key, second: Key, among: Mapping[Key, Cell] = swept
    ) -> Measured | None:
        return compared(among[first], among[second]) if first in among and second in among else None

    def against_direct(compared: Compared, target: str, optimiser: str) -> Measured | None:
        return paired(compared, (target, optimiser, "OP bias"), (target, optimiser, "direct"))

    def wider(optimiser: str, other: str, *targets: str) -> Measured | None:
        keys = [((target, optimiser, "OP bias"), (target, optimiser, other)) for target in targets]
        pairs = [(swept[a], swept[b]) for a, b in keys if a in swept and b in swept]
        return compare.wider(pairs) if len(pairs) == len(targets) else None

    return {
        "OP10": [
            paired(
                compare.fixed_ratio,
                (target, optimiser, "OP bias"),
                (target, optimiser, "direct"),
                fixed,
            )
            for target, optimiser, _ in FIXED
        ],
        "OP11": [
            wider(optimiser, "direct", "gauss", "ill") for optimiser in ("SGD", "momentum", "Adam")
        ],
        "OP12": [
            against_direct(compare.steps_ratio, "gauss", "momentum"),
            against_direct(compare.steps_ratio, "gauss", "Adam"),
            against_direct(compare.share_lower, "ill", "momentum"),
            paired(compare.final_ratio, ("ill", "Adam", "OP bias"), ("ill", "SGD", "ScaledGD")),
        ],
        "OP13": [
            *_deaths(
                *(too_large.get(("gauss", "SGD", method)) for method in ("OP bias", "OP linear"))
            ),
            wider("SGD", "OP linear", "gauss"),
        ],
    }


def _deaths(relu: Cell | None, linear: Cell | None) -> list[Measured | None]:
    """Of cells of one rate: the shares of linear and of ReLU runs that diverged, and of dead ReLU
    runs."""
    if relu is None or linear is None:
        return [None] * 3
    diverged = [np.isnan(compare.numbers(cell["final"])[0]) for cell in (linear, relu)]
    dead = compare.numbers(relu["alive"])[0] == 0
    return [proportion(int(found.sum()), len(found)) for found in (*diverged, dead)]


def rows(
    target: str, swept: Mapping[Key, Cell], alternating: dict[str, Any]
) -> list[dict[str, Any]]:
    """The table of one target. Steps are the fewest over rates, in the median over seeds; width is
    in decades."""
    found = []
    for (name, optimiser, method), cell in swept.items():
        if name != target:
            continue
        at, window = cell["best"], compare.widths(cell)
        found.append(
            {
                "method": method,
                "optimiser": optimiser,
                "seeds": len(cell["final"][0]),
                "rates": len(cell["rates"]),
                "best rate": None if at is None else cell["rates"][at],
                "edge": cell["edge"],
                "final excess": None
                if at is None
                else float(np.median(compare.numbers(cell["final"])[at])),
                **_steps(cell),
                "width": None if window is None else float(window.mean()),
            }
        )
    final = compare.numbers(alternating["final"])
    square = {
        "method": "alternating least squares",
        "optimiser": "-",
        "seeds": final.size,
        "rates": 0,
    }
    square |= {"best rate": None, "edge": "", "final excess": float(np.median(final))}
    return [*found, square | {**_steps(alternating), "width": None}]


def _steps(cell: Cell | dict[str, Any]) -> dict[str, float | None]:
    return {f"steps to {bar}": compare.fewest(cell, bar) for bar in cell["steps"]}


def series(key: Key, cell: Cell) -> dict[str, Any]:
    """One line of the figures: final excess against rate, and the curve at the best rate."""
    final = compare.numbers(cell["final"])
    final[np.isnan(final).any(1)] = np.nan  # a rate at which some seed diverged has no median
    listed = {name: sweep.listed(f(final, 1)) for name, f in sweep.BANDS.items()}
    target, optimiser, method = key
    return {
        "target": target,
        "optimiser": optimiser,
        "method": method,
        "rates": cell["rates"],
        "best": cell["best"],
        "curve": cell["curve"],
        **listed,
    }
