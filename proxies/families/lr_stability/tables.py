"""From finished cells to the tables that people read, and to the data that the figures are drawn
from."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from loralab.statistics import mean
from proxies.families.lr_stability.claims import NAMES, READ_BY
from proxies.families.lr_stability.evidence import Found, Powers, foretold
from proxies.instruments.slopes import slopes
from theory import lr_stability as theory
from theory.lr_stability.dynamics import Scale
from theory.lr_stability.plane import HalfPlane, corners

BOX = -1.75, 0.25  # of both powers, in the figure
Records = list[dict[str, Any]]
Shown = tuple[dict[str, Any], dict[str, Records]]


def of_grid(measured: Powers) -> Shown:
    rows = [row for row in foretold(measured) if row["measured"] is not None]
    kept = ("start", "quantity", "c_A", "c_B", "predicted", "measured")
    plane = [
        {key: row[key] for key in kept}
        for row in rows
        if row["start"] in NAMES and row["steps"] > 1
    ]
    summary = []
    for name in measured.names:
        of = [row for row in rows if row["start"] == name]
        features, output = (
            [
                abs(row["measured"] - row["predicted"])
                for row in of
                if (row["quantity"] == "f") == kind
            ]
            for kind in (False, True)
        )
        summary.append(
            {
                "start": name,
                "slopes": len(features),
                "mean distance": float(np.mean(features)),
                "largest": max(features),
                "largest of the output's": max(output),
            }
        )
    data = {"plane": plane, "regions": {name: _region(name) for name in NAMES}}
    return data, {"Slopes in the width against the calculus, rates that are powers of it": summary}


def _region(name: str) -> dict[str, Any]:
    """The stable rates inside BOX: the corners of the polygon in order, and the ends of its
    efficient pieces."""
    low, high = map(Fraction, BOX)
    sides = [
        HalfPlane(1, 0, -high),
        HalfPlane(0, 1, -high),
        HalfPlane(-1, 0, low),
        HalfPlane(0, -1, low),
    ]
    found = [tuple(map(float, point)) for point in corners([*theory.stable_region(name), *sides])]
    middle = np.mean(found, 0)
    found.sort(key=lambda point: np.arctan2(*(np.array(point) - middle)))
    pieces = [
        [[float(x) for x in piece.point(Fraction(t))] for t in (0, min(piece.length, 3))]
        for piece in theory.efficient_set(name)
    ]
    return {"box": list(BOX), "polygon": [list(point) for point in found], "efficient": pieces}


def of_sweeps(
    stable: Found,
    names: Sequence[str],
    best: Mapping[str, Found],
    by_rank: Mapping[tuple[str, Scale], Found],
    transfer: Records,
) -> Shown:
    lines = [
        _line("feature", name, stable, k, theory.max_single_lr(name))
        for k, name in enumerate(names)
    ]
    for readout in READ_BY:
        for k, name in enumerate(NAMES):
            lines.append(
                _line(
                    readout,
                    name,
                    best[readout],
                    k,
                    theory.max_single_lr(name, level="loss", readout=readout),
                )
            )
    lines += [_line("residual", name, best["residual"], k, None) for k, name in enumerate(NAMES)]
    ranks = []
    for (name, scale), found in by_rank.items():
        fitted = mean(slopes(*found).tolist())
        ranks.append(
            {
                "start": name,
                "scale": scale,
                "predicted": float(theory.rank_exponent(name, scale=scale)),
                "slope": fitted.value,
                "low": fitted.low,
                "high": fitted.high,
            }
        )
    tables = {
        "Largest stable rate (feature) and best rate (by read-out): slope in the width": [
            {key: value for key, value in line.items() if not isinstance(value, list)}
            for line in lines
        ],
        "Largest stable rate: slope in the rank": ranks,
        "Rates carried from widths 2^8 to 2^10: regret in nats": transfer,
    }
    return {"lines": lines, "transfer": transfer}, tables


def _line(level: str, name: str, found: Found, k: int, predicted: Any) -> dict[str, Any]:
    """log2 of the rate against the width, with an interval at each width, and the slope of it."""
    fitted = mean(slopes(found.widths, found.values[..., k]).tolist())
    at = [mean(values.tolist()) for values in found.values[..., k]]
    return {
        "level": level,
        "start": name,
        "predicted": None if predicted is None else float(predicted),
        "slope": fitted.value,
        "low": fitted.low,
        "high": fitted.high,
        "widths": list(found.widths),
        "log2 rate": [m.value for m in at],
        "from": [m.low for m in at],
        "to": [m.high for m in at],
    }
