"""From finished cells to the tables that people read, and to the data that the figures are drawn
from."""

from typing import Any

import numpy as np

from loralab.statistics import mean
from proxies.families.asymmetry.evidence import EAGER, LAZY, Records, pick, scored
from proxies.families.asymmetry.trials.advice import agrees
from proxies.families.asymmetry.trials.linear import CASES
from proxies.families.asymmetry.trials.networks import METHODS


def _explained(cells: dict[str, Records]) -> Records:
    return [
        {
            "case": r["case"],
            "rank": r["rank"],
            "A tuned": r["A"],
            "r/out": r["rank"] / CASES[r["case"]][1],
            "B tuned": r["B"],
            "predicted": r["predicted"],
            "kappa out / Tr S": r["sign"],
            "P(B >= A)": r["wins"] / r["draws"],
        }
        for r in cells["explained"]
    ]


def _methods(cells: dict[str, Records]) -> Records:
    rows = []
    for r in cells["methods"]:
        accuracy = mean(r["test"])
        rows.append(
            {
                "samples": r["samples"],
                "tuned": r["method"].split(", ")[0],
                "start": r["method"].split(", ")[1],
                "rank": r["rank"],
                "numbers": r["parameters"],
                "accuracy": accuracy.value,
                "low": accuracy.low,
                "high": accuracy.high,
                "rate": r["rate"],
                "rate inside the grid": not r["edge"],
            }
        )
    return rows


def _overlaps(cells: dict[str, Records]) -> Records:
    return [
        {
            "start of A": method.split(", ")[1],
            "rate": rate,
            "factor": factor,
            "layer": layer,
            **{
                kind: float(
                    np.mean(
                        [
                            r[factor][kind][layer]
                            for r in cells["similarity"]
                            if (r["method"], r["rate"]) == (method, rate)
                        ]
                    )
                )
                for kind in ("same task", "same start", "neither")
            },
        }
        for method in sorted(set(pick(cells["similarity"], "method")))
        for rate in (LAZY, EAGER)
        for factor in "AB"
        for layer in (0, 1)
    ]


def _gaps(cells: dict[str, Records]) -> Records:
    rows = []
    for samples in sorted(set(pick(cells["gaps"], "samples"))):
        records = [r for r in cells["gaps"] if r["samples"] == samples]
        for name, title in (
            ("B", "B at r"),
            ("B2", "B at 2r"),
            ("A", "A at r"),
            ("BA", "both at r"),
        ):
            rows.append(
                {
                    "samples": samples,
                    "tuned": title,
                    "gap": float(np.mean([r["gap"][name] for r in records])),
                    "formula": float(np.mean([r["predicted"][name] for r in records]))
                    if name != "BA"
                    else None,
                    "test error": float(np.mean([r["risk"][name] for r in records])),
                }
            )
    return rows


def _scores(cells: dict[str, Records]) -> Records:
    return [
        {
            "cases": kind,
            "curvature": curvature,
            "decided": len(cases),
            "foretold": sum(agrees(*case) for case in cases),
        }
        for (kind, curvature), cases in scored(cells).items()
    ]


def _memory(cells: dict[str, Records]) -> Records:
    (layer,), (block,) = cells["layer"], cells["block"]
    return [
        {
            "tuned": tuned,
            "a layer": layer[f"{tuned} 0"],
            "a layer, dropout": layer[f"{tuned} 0.05"],
            "a block": block[tuned],
        }
        for tuned in ("BA", "B", "A")
    ]


def tables(cells: dict[str, Records]) -> dict[str, Records]:
    return {
        "Least squares: explained share of T": _explained(cells),
        "Gaussian inputs: gaps and test errors": _gaps(cells),
        "Digits: test accuracy at the rate that validation chose": _methods(cells),
        "Overlap of trained factors (chance 0.125 for A of layer 0, else 0.0625)": _overlaps(cells),
        "Bytes a token that backward keeps, float32": _memory(cells),
        "Advice on which factor to freeze": _scores(cells),
    }


def figure_data(cells: dict[str, Records]) -> dict[str, Any]:
    return {
        "explained": [
            {key: r[key] for key in ("case", "rank", "A", "B", "predicted")}
            for r in cells["explained"]
        ],
        "sign": [[r["sign"], r["B"] / r["A"], r["rank"]] for r in cells["explained"]],
        "advice": {
            f"{kind}, {curvature}": [[one[1] - one[2], float(gain)] for one, gain in cases]
            for (kind, curvature), cases in scored(cells).items()
        },
        "methods": _methods(cells),
        "order": list(METHODS),
    }
