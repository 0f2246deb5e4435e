"""From finished trials to the tables that people read, and to the data that the figures are drawn
from."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from loralab.statistics import mean
from proxies.families.lr_stability.claims.coordinates import STEPS
from proxies.families.lr_stability.claims.settings import NAMES, NETWORKS, READ_BY
from proxies.families.lr_stability.evidence import Largest, predictions, transfer_rows
from proxies.families.lr_stability.trials.coordinates import CASES
from proxies.families.lr_stability.trials.plan import Carried, Found, Powers
from proxies.instruments.coordinates import QUANTITIES
from proxies.instruments.slopes import slopes
from theory import lr_stability as theory
from theory.lr_stability import HalfPlane, Scale, corners, exponents

BOX = -1.75, 0.25  # of both powers, in the figure
Records = list[dict[str, Any]]
Shown = tuple[dict[str, Any], dict[str, Records]]


def of_grid(measured: Powers) -> Shown:
    """The plane of the figure, and how far slopes are from their exponents, by initialization."""
    rows = [row for row in predictions(measured) if row["measured"] is not None]
    kept = ("initialization", "quantity", "c_A", "c_B", "predicted", "measured")
    plane = [
        {key: row[key] for key in kept}
        for row in rows
        if row["initialization"] in NAMES and row["steps"] > 1
    ]
    summary = []
    for name in measured.names:
        of = [row for row in rows if row["initialization"] == name]
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
                "initialization": name,
                "slopes": len(features),
                "mean distance": float(np.mean(features)),
                "largest": max(features),
                "largest of the output's": max(output),
            }
        )
    title = "Slopes in the width against the calculus, learning rates that are powers of it"
    data = {"plane": plane, "regions": {name: _region(name) for name in NAMES}}
    return data, {title: summary}


def _region(name: str) -> dict[str, Any]:
    """The stable learning rates inside BOX: the corners of the polygon in order, and the ends of
    its efficient pieces."""
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


def of_coordinates(found: Mapping[tuple[str, str], np.ndarray]) -> dict[str, Records]:
    """Slopes after the last step with the exponents in brackets, a row for each model and case."""
    rows = []
    for (model, name), values in found.items():
        case = CASES[name]
        orders = exponents(case.scheme, steps=STEPS)
        row: dict[str, Any] = {"model": model, "case": name, "k": case.rate}
        row |= dict(zip(("c_A", "c_B"), case.exponents, strict=True))
        for i, q in enumerate(QUANTITIES):
            exponent = float(getattr(orders, q)(*case.exponents))
            row[q] = f"{values[:, :, i, -1].mean():.2f} ({exponent:g})"
        rows.append(row)
    return {"Inside transformers: slopes after the last step (exponents)": rows}


def of_sweeps(
    stable: Largest,
    by_rank: Mapping[tuple[str, Scale], Found],
    best: Mapping[str, Found],
    carried: Carried,
) -> Shown:
    """The lines and bars of the figures, and their tables.

    Args:
        stable: the largest stable learning rates (widths, seeds) by network and initialization.
        by_rank: the same (ranks, seeds) for each initialization and scale.
        best: the best learning rates (widths, seeds, `NAMES`) of each read-out.
        carried: what became of learning rates that were taken on.
    """
    lines = [
        _line(
            "feature" if network == "mup" else f"feature, {NETWORKS[network]}",
            name,
            found,
            theory.max_single_lr(name),
        )
        for (network, name), found in stable.items()
    ]
    lines += [
        _line(
            readout,
            name,
            Found(best[readout].widths, best[readout].values[..., k]),
            theory.max_single_lr(name, level="loss", readout=readout),
        )
        for readout in READ_BY
        for k, name in enumerate(NAMES)
    ]
    toy = best["residual"]
    lines += [
        _line("residual", name, Found(toy.widths, toy.values[..., k]), None)
        for k, name in enumerate(NAMES)
    ]
    ranks = []
    for (name, scale), found in by_rank.items():
        fitted = mean(slopes(*found).tolist())
        ranks.append(
            {
                "initialization": name,
                "scale": scale,
                "predicted": float(theory.rank_exponent(name, scale=scale)),
                "slope": fitted.value,
                "low": fitted.low,
                "high": fitted.high,
            }
        )
    transfer = transfer_rows(carried)
    tables = {
        "Largest stable learning rate (feature) and best one (by read-out): slope in the width": [
            {key: value for key, value in line.items() if not isinstance(value, list)}
            for line in lines
        ],
        "Largest stable learning rate: slope in the rank": ranks,
        "Learning rates taken on from widths 2^8 to 2^10 to 2^13: regret in nats": transfer,
    }
    return {"lines": lines, "transfer": transfer}, tables


def _line(level: str, name: str, found: Found, predicted: Any) -> dict[str, Any]:
    """log2 of the learning rate against the width, with an interval at each width, and its
    slope."""
    fitted = mean(slopes(*found).tolist())
    at = [mean(values.tolist()) for values in found.values]
    return {
        "level": level,
        "initialization": name,
        "predicted": None if predicted is None else float(predicted),
        "slope": fitted.value,
        "low": fitted.low,
        "high": fitted.high,
        "widths": list(found.widths),
        "log2 learning rate": [m.value for m in at],
        "from": [m.low for m in at],
        "to": [m.high for m in at],
    }
