"""From finished cells to the tables that people read, and to the data that the figures are drawn
from."""

from typing import Any

import numpy as np

from loralab.statistics import mean
from proxies.families.task_directions.evidence import Records, by_net, pick
from proxies.families.task_directions.trials.recall import TIMES
from proxies.families.task_directions.trials.training import METHODS
from theory.task_directions import HARD_EDGE_MEAN, gaussian_overlap

SIZES = ("8 in 16", "4 in 8", "8 in 8")
PUBLISHED = (
    ("LLaMA-7B, LoRA of rank 8, 16, 32: mean over layers", "8 in 16", 0.75, 0.82, HARD_EDGE_MEAN),
    ("LLaMA-7B, LoRA of rank 32: by layer", "8 in 16", 0.62, 0.97, HARD_EDGE_MEAN),
    ("SDXL, pairs of subjects", "8 in 8", 1 / 8, 3 / 8, gaussian_overlap(1)),
)
"""What the paper reports (what, sizes, least, most; read off plots and text), and the null of a
square weight."""


def _published(cells: dict[str, Records]) -> Records:
    names = {"8 in 16": "accuracy", "8 in 8": "equal"}
    middle = lambda records, name: float(np.mean(pick(records, name))) if records else None
    trained = cells["transformer"]
    return [
        {
            "published": what,
            "overlap": sizes,
            "from": low,
            "to": high,
            "null, square (formula)": float(null),
            "null, Gaussian 4096": middle(cells["large"], names[sizes]),
            "null, MiniLM square": middle([r for r in trained if r["square"]], names[sizes]),
            "null, MiniLM rectangular": middle(
                [r for r in trained if not r["square"]], names[sizes]
            ),
        }
        for what, sizes, low, high, null in PUBLISHED
    ]


def _foretold(cells: dict[str, Records]) -> Records:
    rows = []
    for score in ("rate", "abs"):
        for source in dict.fromkeys(r["source"] for r in cells["foretold"][0]["overlaps"]):
            for sizes in SIZES:
                found = by_net(cells, source, score, sizes)
                value, null = np.mean(found, 0)
                lift = mean([(v - n) / (1 - n) for v, n in found])
                rows.append(
                    {
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


def _recalled(cells: dict[str, Records]) -> Records:
    rows = []
    kinds = sorted({(r["case"], r["rank"]) for r in cells["recall"]})
    for case, rank in kinds:
        records = [r for r in cells["recall"] if (r["case"], r["rank"]) == (case, rank)]
        for score in ("rate", "abs"):
            row = {"planted": case, "rank": rank, "score": score}
            for source in ("oracle", "gradient", *(f"LoRA {t}" for t in TIMES)):
                row[source] = float(np.mean(pick(records, f"{source}, {score}")))
            row["inputs"] = float(np.mean(pick(records, "inputs")))
            row["null"] = float(np.mean([r["null"][score] for r in records]))
            rows.append(row)
    return rows


def _errors(cells: dict[str, Records]) -> Records:
    rows = []
    for r in cells["tuned"]:
        error = mean(r["error"])
        rows.append(
            {
                "problem": r["case"],
                "method": r["method"],
                "error": error.value,
                "low": error.low,
                "high": error.high,
                "least for its start": None if None in r["bound"] else float(np.mean(r["bound"])),
                "rank of the change": max(r["ranks"]),
                "numbers": r["numbers"][0],
                "rate": r["rate"],
                "rate inside the grid": not r["edge"],
            }
        )
    return rows


def _profiles(cells: dict[str, Records]) -> Records:
    profiles = [p for net in cells["foretold"] for p in net["profiles"]]
    return [
        {
            "tasks": what,
            "phi": float(np.mean([p["phi"] for p in chosen])),
            "share of the rates in the top 8": float(np.mean([p["held"] for p in chosen])),
            "mean rank from the bottom": float(np.mean([p["bottom_rank"] for p in chosen])),
        }
        for what in ("labels", "turn")
        if (chosen := [p for p in profiles if p["task"].startswith(what)])
    ]


def tables(cells: dict[str, Records]) -> dict[str, Records]:
    return {
        "Published overlaps beside the null that explains them": _published(cells),
        "Digits: overlap with full fine-tuning's directions, beside the Haar null": _foretold(
            cells
        ),
        "Digits: profile of full fine-tuning's change": _profiles(cells),
        "Planted directions: recall of 8 in 64": _recalled(cells),
        "Final errors at the rate that other seeds chose": _errors(cells),
    }


def figure_data(cells: dict[str, Records]) -> dict[str, Any]:
    unrelated = [
        *(
            {"kind": r["kind"], "accuracy": r["accuracy"]}
            for r in (*cells["drawn"], *cells["large"])
        ),
        *(
            {
                "kind": "MiniLM" + (", square" if r["square"] else ", rectangular"),
                "accuracy": r["accuracy"],
            }
            for r in cells["transformer"]
        ),
    ]
    return {
        "edges": [
            {**{k: r[k] for k in ("law", "s", "m")}, "value": float(np.mean(r["overlaps"]))}
            for r in cells["edges"]
        ],
        "unrelated": unrelated,
        "published": [list(row) for row in PUBLISHED],
        "foretold": _foretold(cells),
        "recall": _recalled(cells),
        "times": list(TIMES),
        "order": list(METHODS),
        "errors": _errors(cells),
    }
