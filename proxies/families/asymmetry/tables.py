"""From finished trials to the tables that people read, and to the data that the figures are drawn
from."""

from typing import Any

import numpy as np

from proxies.families.asymmetry.claims.advice import ADVISED, SINGLE_RANKS
from proxies.families.asymmetry.claims.classifiers import DATA
from proxies.families.asymmetry.claims.training import NETWORKS
from proxies.families.asymmetry.evidence import (
    MIRRORED,
    Trials,
    classifier_cases,
    over_networks,
    regression_cases,
)
from proxies.families.asymmetry.trials.advice import followed
from proxies.families.asymmetry.trials.linear import CASES
from proxies.families.asymmetry.trials.similarity import KINDS
from proxies.families.asymmetry.trials.teacher import CASES as CASES_INSIDE
from proxies.instruments.trial_grid import Records, pick
from theory.asymmetry.freezing import Advice


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
        for r in _once(trials["explained"])
    ]


def _once(records: Records) -> Records:
    """The records of the first seed."""
    return [r for r in records if r["seed"] == records[0]["seed"]]


def _methods(trials: Trials) -> Records:
    rows = []
    for r in trials["methods"]:
        accuracy = over_networks(r["population"], r["result"]["test"])
        trained, initialization = r["method"].split(", ")
        rows.append(
            {
                "data": r["population"],
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
    runs = [(r["population"], r["method"], r["rate"]) for r in trials["similarity"]]
    rows = []
    for population, method, rate in dict.fromkeys(runs):
        where = {"population": population, "method": method, "rate": rate}
        for factor in "AB":
            found = pick(trials["similarity"], factor, **where)
            rows.append(
                {
                    "data": population,
                    "begins at zero": "A" if method == MIRRORED else "B",
                    "learning rate": rate,
                    "factor": factor,
                    **{kind: float(np.mean([x[kind] for x in found])) for kind in KINDS},
                }
            )
    return rows


def _gaps(trials: Trials) -> Records:
    titles = {"B": "B at r", "B2": "B at 2r", "A": "A at r", "BA": "both at r"}
    rows = []
    for samples in sorted({r["samples"] for r in trials["compared"]}):
        gap, risk = (pick(trials["compared"], kind, samples=samples) for kind in ("gap", "risk"))
        rows += [
            {
                "samples": samples,
                "trained": title,
                "gap": float(np.mean([x[name] for x in gap])),
                "test error": float(np.mean([x[name] for x in risk])),
            }
            for name, title in titles.items()
        ]
    return rows


def _teachers(trials: Trials) -> Records:
    rows = []
    for case in CASES_INSIDE:
        for network in NETWORKS:
            found = [
                r["result"]
                for r in trials["teachers"]
                if (r["case"], r["network"]) == (case, network)
            ]
            advised = [Advice(*x["advice"]["fisher"]) for x in found]
            rows.append(
                {
                    "case": case,
                    "network": network,
                    "B trained": float(np.mean([x["B"] for x in found])),
                    "A trained": float(np.mean([x["A"] for x in found])),
                    "lead of B": float(np.mean([x["B"] - x["A"] for x in found])),
                    "predicted": float(np.mean([x.tune_b - x.tune_a for x in advised])),
                }
            )
    return rows


def _cases(trials: Trials) -> dict[str, list[tuple[list[Any], float]]]:
    """By kind: the advice and the lead of training B."""
    return regression_cases(trials) | {
        f"{key}, rank {rank}": [
            case for cases in classifier_cases(trials, key, rank) for case in cases
        ]
        for key in ADVISED
        for rank in SINGLE_RANKS
    }


def _scores(trials: Trials) -> Records:
    return [
        {
            "cases": kind,
            "number": len(cases),
            "advised rightly": sum(followed(*case) > 0 for case in cases),
            "mean lead of B": float(np.mean([lead for _, lead in cases])),
            "mean gain": float(np.mean([followed(*case) for case in cases])),
        }
        for kind, cases in _cases(trials).items()
        if cases
    ]


def tables(trials: Trials) -> dict[str, Records]:
    return {
        "Least squares: explained share of T": _explained(trials),
        "Gaussian inputs: generalisation gaps and test errors": _gaps(trials),
        "A layer inside a network: share of the test loss removed": _teachers(trials),
        "Classifiers: test accuracy at the learning rate that validation chose": _methods(trials),
        "Classifiers: overlap of trained factors": _overlaps(trials),
        "Advice on which factor to freeze": _scores(trials),
    }


def figure_data(trials: Trials) -> dict[str, Any]:
    results = [(r["case"], r["rank"], r["result"]) for r in _once(trials["explained"])]
    return {
        "explained": [
            {"case": case, "rank": rank, **{key: x[key] for key in ("A", "B", "predicted")}}
            for case, rank, x in results
        ],
        "sign": [[x["sign"], x["B"] / x["A"], rank] for _, rank, x in results],
        "advice": {
            kind: [[one[1] - one[2], float(lead)] for one, lead in cases]
            for kind, cases in _cases(trials).items()
        },
        "methods": _methods(trials),
        "data": [list(found[:2]) for found in DATA.values()],
    }
