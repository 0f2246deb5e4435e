"""From finished trials to the tables that people read, and to the data that the figures are drawn
from."""

from typing import Any

import numpy as np

from loralab.statistics import mean
from proxies.families.asymmetry.evidence import EAGER, LAZY, Trials, scored
from proxies.families.asymmetry.trials.advice import agrees
from proxies.families.asymmetry.trials.linear import CASES
from proxies.families.asymmetry.trials.networks import METHODS
from proxies.families.asymmetry.trials.similarity import KINDS
from proxies.instruments.trial_grid import Records, pick


def _explained(trials: Trials) -> Records:
    return [
        {
            "case": r["case"],
            "rank": r["rank"],
            "A trained": r["result"]["A"],
            "r/out": r["rank"] / CASES[r["case"]][1],
            "B trained": r["result"]["B"],
            "predicted": r["result"]["predicted"],
            "kappa out / Tr S": r["result"]["sign"],
            "P(B >= A)": r["result"]["wins"] / r["draws"],
        }
        for r in trials["explained"]
    ]


def _methods(trials: Trials) -> Records:
    rows = []
    for r in trials["methods"]:
        accuracy = mean(r["result"]["test"])
        trained, initialization = r["method"].split(", ")
        rows.append(
            {
                "samples": r["samples"],
                "trained": trained,
                "initialization": initialization,
                "rank": r["rank"],
                "trained numbers": r["result"]["parameters"],
                "accuracy": accuracy.value,
                "low": accuracy.low,
                "high": accuracy.high,
                "learning rate": r["result"]["rate"],
                "inside the grid": not r["result"]["edge"],
            }
        )
    return rows


def _overlaps(trials: Trials) -> Records:
    rows = []
    for method in sorted({r["method"] for r in trials["similarity"]}):
        for rate in (LAZY, EAGER):
            for factor in "AB":
                found = pick(trials["similarity"], factor, method=method, rate=rate)
                rows += [
                    {
                        "initialization of A": method.split(", ")[1],
                        "learning rate": rate,
                        "factor": factor,
                        "layer": layer,
                        **{kind: float(np.mean([x[kind][layer] for x in found])) for kind in KINDS},
                    }
                    for layer in (0, 1)
                ]
    return rows


def _gaps(trials: Trials) -> Records:
    titles = {"B": "B at r", "B2": "B at 2r", "A": "A at r", "BA": "both at r"}
    rows = []
    for samples in sorted({r["samples"] for r in trials["gaps"]}):
        gap, risk, predicted = (
            pick(trials["gaps"], kind, samples=samples) for kind in ("gap", "risk", "predicted")
        )
        rows += [
            {
                "samples": samples,
                "trained": title,
                "gap": float(np.mean([x[name] for x in gap])),
                "formula": None if name == "BA" else float(np.mean([x[name] for x in predicted])),
                "test error": float(np.mean([x[name] for x in risk])),
            }
            for name, title in titles.items()
        ]
    return rows


def _scores(trials: Trials) -> Records:
    return [
        {
            "cases": kind,
            "curvature": curvature,
            "decided": len(cases),
            "predicted rightly": sum(agrees(*case) for case in cases),
        }
        for (kind, curvature), cases in scored(trials).items()
    ]


def _memory(trials: Trials) -> Records:
    layer, block = (trials[name][0]["result"] for name in ("layer", "block"))
    return [
        {
            "trained": trained,
            "a layer": layer[f"{trained} 0"],
            "a layer, dropout": layer[f"{trained} 0.05"],
            "a block": block[trained],
        }
        for trained in ("BA", "B", "A")
    ]


def tables(trials: Trials) -> dict[str, Records]:
    return {
        "Least squares: explained share of T": _explained(trials),
        "Gaussian inputs: generalisation gaps and test errors": _gaps(trials),
        "Digits: test accuracy at the learning rate that validation chose": _methods(trials),
        "Overlap of trained factors (chance 0.125 for A of layer 0, else 0.0625)": _overlaps(
            trials
        ),
        "Bytes a token saved for backward, float32": _memory(trials),
        "Advice on which factor to freeze": _scores(trials),
    }


def figure_data(trials: Trials) -> dict[str, Any]:
    results = [(r["case"], r["rank"], r["result"]) for r in trials["explained"]]
    return {
        "explained": [
            {"case": case, "rank": rank, **{key: x[key] for key in ("A", "B", "predicted")}}
            for case, rank, x in results
        ],
        "sign": [[x["sign"], x["B"] / x["A"], rank] for _, rank, x in results],
        "advice": {
            f"{kind}, {curvature}": [[one[1] - one[2], float(gain)] for one, gain in cases]
            for (kind, curvature), cases in scored(trials).items()
        },
        "methods": _methods(trials),
        "order": list(METHODS),
    }
