"""From finished trials to the tables that people read, and to the data that the figures are drawn
from."""

import itertools
from typing import Any

import numpy as np

from loralab.statistics import mean, resplit_mean
from proxies.families.task_directions.claims.directions import POOLS, SIZES
from proxies.families.task_directions.evidence import (
    DIGITS,
    DIGITS_TEST,
    DIGITS_TRAIN,
    Trials,
    by_network,
    lifts,
)
from proxies.families.task_directions.trials.recall import TIMES
from proxies.families.task_directions.trials.training import METHODS
from proxies.instruments.trial_grid import Records, pick
from theory.task_directions import HARD_EDGE_MEAN, gaussian_overlap

PUBLISHED = (
    ("LLaMA-7B, LoRA of rank 8, 16, 32: mean over layers", "8 in 16", 0.75, 0.82, HARD_EDGE_MEAN),
    ("LLaMA-7B, LoRA of rank 32: by layer", "8 in 16", 0.62, 0.97, HARD_EDGE_MEAN),
    ("SDXL, pairs of subjects", "8 in 8", 1 / 8, 3 / 8, gaussian_overlap(1)),
)
"""What the paper reports (what, sizes, least, most; read off plots and text), and the null of a
square weight."""


def _matrices(trials: Trials) -> Records:
    """What was measured on each matrix of MiniLM."""
    return [matrix for r in trials["transformer"] for matrix in r["result"]]


def _published(trials: Trials) -> Records:
    names = {"8 in 16": "accuracy", "8 in 8": "equal"}
    middle = lambda found, name: float(np.mean([x[name] for x in found])) if found else None
    trained = _matrices(trials)
    large = [r["result"] for r in trials["drawn"] if r["kind"] == "bidiagonal"]
    return [
        {
            "published": what,
            "overlap": sizes,
            "from": low,
            "to": high,
            "null, square (limit)": float(null),
            "null, Gaussian 4096": middle(large, names[sizes]),
            "null, MiniLM square": middle([r for r in trained if r["square"]], names[sizes]),
            "null, MiniLM rectangular": middle(
                [r for r in trained if not r["square"]], names[sizes]
            ),
        }
        for what, sizes, low, high, null in PUBLISHED
    ]


def _predicted(trials: Trials) -> Records:
    rows = []
    for pool in POOLS:
        (first, *_) = pick(trials["predicted"], "overlaps", pool=pool)
        sources = dict.fromkeys(r["source"] for r in first)
        for score, source, sizes in itertools.product(("rate", "abs"), sources, SIZES.values()):
            value, null = np.mean(by_network(trials, pool, source, score, sizes), 0)
            lift = mean(lifts(trials, pool, source, score, sizes), "network")
            rows.append(
                {
                    "data": pool,
                    "score": score,
                    "source": source,
                    "overlap": sizes,
                    "value": float(value),
                    "null": float(null),
                    "lift": lift.value,
                    "low": lift.low,
                    "high": lift.high,
                }
            )
    return rows


def _recalled(trials: Trials) -> Records:
    rows = []
    for case, rank in sorted({(r["case"], r["rank"]) for r in trials["recall"]}):
        found = lambda name, at=(case, rank): pick(trials["recall"], name, case=at[0], rank=at[1])
        for score in ("rate", "abs"):
            row = {"planted": case, "rank": rank, "score": score}
            for source in ("oracle", "gradient", *(f"LoRA {t}" for t in TIMES)):
                row[source] = float(np.mean(found(f"{source}, {score}")))
            row["inputs"] = float(np.mean(found("inputs")))
            row["null"] = float(np.mean([x[score] for x in found("null")]))
            rows.append(row)
    return rows


def _errors(trials: Trials) -> Records:
    rows = []
    for r in trials["tuned"]:
        result, bound = r["result"], r["result"]["bound"]
        splits = r["case"] == DIGITS
        sizes = (DIGITS_TRAIN, DIGITS_TEST)
        error = resplit_mean(result["error"], *sizes) if splits else mean(result["error"])
        rows.append(
            {
                "problem": r["case"],
                "method": r["method"],
                "error": error.value,
                "low": error.low,
                "high": error.high,
                "least for its initialization": None if None in bound else float(np.mean(bound)),
                "rank of the change": max(result["ranks"]),
                "trained numbers": result["numbers"][0],
                "learning rate": result["rate"],
                "inside the grid": not result["edge"],
            }
        )
    return rows


def _profiles(trials: Trials) -> Records:
    rows = []
    for pool, what in itertools.product(POOLS, ("labels", "turn")):
        found = [p for each in pick(trials["predicted"], "profiles", pool=pool) for p in each]
        chosen = [p for p in found if p["task"].startswith(what)]
        rows.append(
            {
                "data": pool,
                "tasks": what,
                "phi": float(np.mean([p["phi"] for p in chosen])),
                "share of the change rates in the top 8": float(
                    np.mean([p["held"] for p in chosen])
                ),
                "mean rank from the bottom": float(np.mean([p["bottom_rank"] for p in chosen])),
            }
        )
    return rows


def tables(trials: Trials) -> dict[str, Records]:
    return {
        "Published overlaps beside the overlaps of unrelated changes": _published(trials),
        "Networks: overlap with full fine-tuning's directions, beside the Haar null": _predicted(
            trials
        ),
        "Networks: profile of full fine-tuning's change": _profiles(trials),
        "Planted directions: recall of 8 in 64": _recalled(trials),
        "Final errors at the learning rate that other seeds chose": _errors(trials),
    }


def figure_data(trials: Trials) -> dict[str, Any]:
    unrelated = [(r["kind"], r["result"]["accuracy"]) for r in trials["drawn"]]
    unrelated += [
        ("MiniLM, square" if x["square"] else "MiniLM, rectangular", float(np.mean(x["accuracy"])))
        for x in _matrices(trials)
    ]
    return {
        "edges": [
            {
                **{k: r[k] for k in ("law", "s", "m")},
                "value": float(np.mean(r["result"]["overlaps"])),
                "exact": r["result"]["exact"],
            }
            for r in trials["edges"]
        ],
        "unrelated": [{"kind": kind, "accuracy": accuracy} for kind, accuracy in unrelated],
        "published": [list(row) for row in PUBLISHED],
        "predicted": _predicted(trials),
        "recall": _recalled(trials),
        "times": list(TIMES),
        "order": list(METHODS),
        "errors": _errors(trials),
    }
