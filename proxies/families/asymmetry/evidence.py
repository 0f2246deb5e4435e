"""From finished cells to the evidence of every check."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.statistics import geometric_mean, mean, proportion, spread
from proxies.families.asymmetry.claims import CARRIED, THEOREM
from proxies.families.asymmetry.trials import advice
from proxies.families.asymmetry.trials.linear import standardised

DECIDED = 0.03  # a gain, in test accuracy or in the share of a loss, that counts as decided
LAZY, EAGER = 1e-3, 1e-2  # rates of A10
Records = list[dict[str, Any]]
Measurements = dict[str, Sequence[Measured | None]]


def pick(records: Records, name: str, **where: Any) -> list[Any]:
    """One column of the records that match."""
    return [
        record[name]
        for record in records
        if all(record[key] == value for key, value in where.items())
    ]


def _foretold(cases: Sequence[tuple[list[Any], float]]) -> Measured | None:
    """Share of (advice, gain of tuning B) in which the advice has the gain's sign."""
    return (
        None if not cases else proportion(sum(advice.agrees(*case) for case in cases), len(cases))
    )


def linear(cells: dict[str, Records]) -> Measurements:
    """A1 to A4, A6, A7."""
    explained, few, gaps = cells["explained"], cells["few"], cells["gaps"]
    descent = [r for r in cells["conditioning"] if r["exponent"] == 1]

    def wins(case: str, rank: int) -> Measured:
        (record,) = (r for r in explained if r["case"] == case and r["rank"] == rank)
        return proportion(record["wins"], record["draws"])

    # Where the two are closer than a hundredth of either, no rule has anything to foretell.
    decided = [
        r
        for r in explained
        if abs(r["B"] - r["A"]) > 0.01 * max(r["B"], r["A"]) and abs(r["sign"] - 1) > 0.05
    ]
    low = [r for r in decided if r["rank"] <= 4]
    z = []
    for samples in sorted({r["samples"] for r in gaps}):
        matching = [r for r in gaps if r["samples"] == samples]
        for name in ("B", "B2", "A"):
            # Relative to each problem's own prediction, so that all problems' draws have the mean
            # 1.
            draws = [np.array(r["gap"][name]) / r["predicted"][name] for r in matching]
            z.append(standardised(np.concatenate(draws), 1))

    def of_gaps(kind: str, above: str, below: str, samples: int) -> list[tuple[float, float]]:
        return [
            (np.mean(r[kind][above]), np.mean(r[kind][below]))
            for r in gaps
            if r["samples"] == samples
        ]

    return {
        "A1": [spread(pick(cells["forms"], name)) for name in ("gradient", "loss")],
        "A2": [
            spread(pick(explained, "z_A")),
            spread([r["ratio"] for r in explained if r["rank"] > 1]),
            spread(pick(explained, "ratio", rank=1)),
        ],
        "A3": [wins(case, 4) for case in THEOREM],
        "A3b": [
            spread([float((r["sign"] > 1) == (r["B"] > r["A"])) for r in low]),
            wins("flat", 4),
            wins("1/i, whitened", 4),
            wins("1/i, 128 to 32", 16),
            spread(
                [
                    float((r["predicted"] > r["rank"] / r["out"]) == (r["B"] > r["A"]))
                    for r in decided
                ]
            ),
        ],
        "A4": [spread(pick(few, "lost")), spread(pick(few, "z"))],
        "A6": [
            spread(pick(cells["conditioning"], "worst")),
            *(mean(pick(descent, name)) for name in ("ratio", "first_B", "first_A")),
        ],
        "A7": [
            spread(z),
            geometric_mean([both / twice for both, twice in of_gaps("gap", "BA", "B2", 64)]),
            mean([a - b for a, b in of_gaps("risk", "A", "B", 64)]),
            mean([twice - both for twice, both in of_gaps("risk", "B2", "BA", 512)]),
        ],
    }


def networks(cells: dict[str, Records]) -> Measurements:
    """A5, A10, A11."""
    overlaps, methods = cells["similarity"], cells["methods"]

    def beyond(factor: str, kind: str, rate: float) -> Measured:
        records = [r[factor] for r in overlaps if r["rate"] == rate and r["method"] == "BA, random"]
        return mean([float(np.mean(np.subtract(r[kind], r["neither"]))) for r in records])

    def gain(above: tuple[str, int], below: tuple[str, int], samples: int) -> Measured:
        first, second = (
            pick(methods, "test", method=m, rank=r, samples=samples)[0] for m, r in (above, below)
        )
        return mean(np.subtract(first, second).tolist())

    B, A, both = "B, orthonormal", "A, orthonormal", "BA, random"
    return {
        "A5": [
            mean([r["B"] - r["A"] for r in cells["teachers"] if r["case"] == case])
            for case in CARRIED
        ],
        "A10": [
            spread(
                [
                    standardised(np.array(r["overlaps"]), r["rank"] / r["size"])
                    for r in cells["haar"]
                ]
            ),
            beyond("A", "same start", LAZY),
            beyond("B", "same task", LAZY),
            beyond("B", "same start", LAZY),
            beyond("A", "same start", EAGER),
        ],
        "A11": [gain((B, 8), (A, 8), samples) for samples in (1000, 100)],
        "A11b": [gain((both, 4), (B, 4), samples) for samples in (1000, 100)],
        "A11c": [gain((B, 8), (both, 4), samples) for samples in (1000, 100)],
    }


def library(cells: dict[str, Records]) -> Measurements:
    """A12, A13."""
    (layer,), (block,), spaces, moved = (
        cells[name] for name in ("layer", "block", "spaces", "moved")
    )
    d, r = layer["d"], layer["rank"]
    exact = lambda value: Measured(value, value, value)
    return {
        "A12": [
            exact(layer["BA 0"] - 4 * (d + r)),
            exact(layer["B 0"] - 4 * r),
            exact(block["BA"] - block["B"] - 4 * (2 * block["d"] + block["d_ff"])),
            exact(layer["B 0.05"] - 4 * r),
        ],
        "A13": [
            *(spread(pick(moved, name)) for name in ("frozen", "trained")),
            *(spread(pick(spaces, name)) for name in ("pissa", "orthonormality")),
            mean(pick(spaces, "row_length")),
        ],
        "A13b": [spread(pick(spaces, "transposed")), spread(pick(moved, "readme"))],
    }


def scored(cells: dict[str, Records]) -> dict[tuple[str, str], list[tuple[list[Any], float]]]:
    """(kind of case, curvature) -> the advice and the gain of tuning B, of every case whose outcome
    is decided."""
    found = {
        ("least squares", "known"): [
            (r["advice"], r["gain"]) for r in cells["spectra"] if abs(r["z"]) > 4
        ]
    }
    first = min(pick(cells["digits"], "seed"), default=0)
    layers = {(r["layers"][0], r["rank"], r["method"][0]): r["test"] for r in cells["layers"]}
    for curvature in ("fisher", "errors"):
        found["teacher networks", curvature] = [
            (r["advice"][curvature], r["B"] - r["A"]) for r in cells["fresh"]
        ]
        found["digits", curvature] = [
            (
                r[curvature],
                np.subtract(*(layers[r["layer"], r["rank"], tuned] for tuned in "BA"))[
                    r["seed"] - first
                ],
            )
            for r in cells["digits"]
        ]
    return {
        kind: [case for case in cases if kind[0] == "least squares" or abs(case[1]) > DECIDED]
        for kind, cases in found.items()
    }


def freezing(cells: dict[str, Records]) -> Measurements:
    """A15."""
    cases = scored(cells)
    return {
        "A15": [
            _foretold(cases["least squares", "known"]),
            _foretold(cases["teacher networks", "fisher"]),
        ],
        "A15b": [_foretold(cases["digits", "fisher"])],
    }


PARTS: tuple[Callable[[dict[str, Records]], Measurements], ...] = (
    linear,
    networks,
    library,
    freezing,
)
