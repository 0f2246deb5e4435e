"""From finished trials to the evidence of every check."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.statistics import geometric_mean, mean, spread
from proxies.families.task_directions.claims.chance import EDGES
from proxies.families.task_directions.claims.directions import PLANTED, SIZES
from proxies.families.task_directions.claims.library import KEPT, LOOPS
from proxies.families.task_directions.claims.methods import REACHED
from proxies.families.task_directions.trials.predictions import TASK
from proxies.instruments.trial_grid import Records, pick
from theory.task_directions import exponential_overlap, gaussian_overlap

FORMULA = {"Gaussian": gaussian_overlap, "exponential": exponential_overlap}
Trials = Mapping[str, Records]
"""The records of each kind of trial, by the names that proxies/task_directions.py gives them."""
Measurements = dict[str, dict[str, Measured | None]]
"""By the id of the claim and the key of the check."""


def over(values: np.ndarray | list[float]) -> Measured | None:
    """The mean, where anything was measured."""
    return mean(np.asarray(values).tolist()) if len(values) else None


def beyond(result: dict[str, Any]) -> float:
    """The overlap of unrelated changes that the spectrum does not predict."""
    return result["accuracy"] - result["predicted"]


def chance(trials: Trials) -> Measurements:
    """T1 to T4."""
    matrices = [matrix for r in trials["transformer"] for matrix in r["result"]]
    square, rectangular, flat, edge = (
        [r["result"] for r in trials["drawn"] if r["kind"] == kind]
        for kind in ("square", "rectangular", "flat", "edge")
    )
    large = [r["result"] for r in trials["large"]]

    def of(results: list[dict[str, Any]], name: str) -> Measured | None:
        return over([x[name] for x in results])

    def of_minilm(square: bool, value: Callable[[dict[str, Any]], float]) -> Measured | None:
        return over([value(x) for x in matrices if x["square"] == square])

    minilm = of_minilm(True, lambda x: x["accuracy"])
    return {
        "T1": {
            f"{law}, {s} in {m}": over(
                [
                    x - FORMULA[law](m / s)
                    for x in pick(trials["edges"], "overlaps", law=law, s=s, m=m)[0]
                ]
            )
            for law, s, m in EDGES
        },
        "T2": {"MiniLM": minilm, "Gaussian": of(large, "accuracy")},
        "T2b": {
            "MiniLM": minilm,
            "large Gaussian": of(large, "accuracy"),
            "Gaussian": of(square, "accuracy"),
            "Gaussian, recall": of(square, "recall"),
            "MiniLM, beyond its spectrum": of_minilm(True, beyond),
        },
        "T3": {
            "rectangular": of(rectangular, "accuracy"),
            "flat": of(flat, "accuracy"),
            "MiniLM": of_minilm(False, lambda x: x["accuracy"]),
            "rectangular, beyond its spectrum": over([beyond(x) for x in rectangular]),
        },
        "T4": {
            "place": of(large, "bottom_rank"),
            "place, MiniLM": of_minilm(True, lambda x: x["bottom_rank"]),
            "slope": of(large, "slope"),
            "smallest left out": of(edge, "left_out"),
        },
    }


def by_network(trials: Trials, source: str, score: str, sizes: str) -> list[tuple[float, float]]:
    """Of each network the mean overlap over tasks, and the mean null."""
    found = []
    for network in pick(trials["predicted"], "overlaps"):
        records = [
            (r["value"], r["null"])
            for r in network
            if (r["source"], r["score"], r["sizes"]) == (source, score, sizes)
        ]
        found.append(tuple(np.mean(records, 0)))
    return found


def lift(trials: Trials, source: str, score: str, sizes: str) -> Measured:
    return mean(
        [(value - null) / (1 - null) for value, null in by_network(trials, source, score, sizes)]
    )


def predicted(trials: Trials) -> Measurements:
    """T5: an interval is over networks."""
    profiles = pick(trials["predicted"], "profiles")
    phi = mean([float(np.mean([profile["phi"] for profile in found])) for found in profiles])
    copies = (by_network(trials, source, "rate", "8 in 16") for source in ("LoRA 100", "rotated"))
    return {
        "T5": {
            **{name: lift(trials, "LoRA 100", "rate", sizes) for name, sizes in SIZES.items()},
            "beyond a rotated copy": mean(
                [one - other for (one, _), (other, _) in zip(*copies, strict=True)]
            ),
        },
        "T5b": {
            "LoRA": lift(trials, "LoRA 100", "abs", "8 in 16"),
            "gradient, accuracy": lift(trials, "gradient", "abs", "8 in 16"),
            "gradient, recall": lift(trials, "gradient", "abs", "4 in 8"),
        },
        "T5c": {
            "by size": lift(trials, TASK, "abs", "8 in 16"),
            "by rate": mean(
                [value - null for value, null in by_network(trials, TASK, "rate", "8 in 16")]
            ),
        },
        "T5d": {"share": phi, "beyond chance": phi},
    }


def first_step(trials: Trials) -> Measurements:
    """T6 and T15."""
    records = trials["identified"]
    slopes = []
    for seed in sorted({r["seed"] for r in records}):
        ranks = np.log([r["rank"] for r in records if r["seed"] == seed])
        slopes.append(float(np.polyfit(ranks, np.log(pick(records, "snr", seed=seed)), 1)[0]))
    return {
        "T6": {
            "ratio": spread([r["result"]["snr"] / r["result"]["predicted"] for r in records]),
            "mean": spread(pick(records, "mean")),
            "slope": spread(slopes),
        },
        "T15": {
            f"rank {rank}": geometric_mean(
                [
                    r["result"]["ratio"] / r["result"]["predicted"]
                    for r in trials["speed"]
                    if r["rank"] == rank
                ]
            )
            for rank in (4, 16)
        },
    }


def recalled(trials: Trials) -> Measurements:
    """T7 to T9, paired over problems where two are compared."""

    def found(name: str, rank: int = 8, case: str = "random") -> np.ndarray:
        return np.array(pick(trials["recall"], name, rank=rank, case=case))

    def null(case: str) -> Measured | None:
        return over([x["rate"] for x in found("null", case=case)])

    after = "LoRA 100, rate"
    return {
        "T7": {
            "recall": over(found(after)),
            "gain of steps": over(found(after) - found("LoRA 1, rate")),
            "gain over rank 2": over(found(after) - found(after, 2)),
            "gain of rank 32": over(found(after, 32) - found(after)),
            "null": null("random"),
        },
        "T8": {
            "gradient": over(found("gradient, abs")),
            "against LoRA": over(found("gradient, rate") - found(after)),
        },
        "T9": {
            **{
                case: over(found("LoRA 10, abs", case=case) - found("LoRA 10, rate", case=case))
                for case in PLANTED
            },
            "null": null("bottom"),
        },
    }


def run_of(trials: Trials, case: str, method: str) -> dict[str, Any] | None:
    """The runs of a method, where it was run and its best learning rate is inside the grid."""
    found = [r["result"] for r in trials["tuned"] if (r["case"], r["method"]) == (case, method)]
    return found[0] if found and not found[0]["edge"] else None


def ratio(trials: Trials, case: str, above: str, below: str) -> Measured | None:
    """The ratio of two methods' final errors, paired over problems; each at its own best learning
    rate."""
    one, other = (run_of(trials, case, method) for method in (above, below))
    return (
        geometric_mean(np.divide(one["error"], other["error"]).tolist()) if one and other else None
    )


def methods(trials: Trials) -> Measurements:
    """T10 to T12c."""
    dash, init, tsd, plain = "Dash, pre-launch", "Init, pre-launch", "TSD, pre-launch", "LoRA, r"
    against = lambda case, above, below: ratio(trials, case, above, below)
    initialized = [
        r["result"]
        for r in trials["tuned"]
        if r["method"].startswith("Init") and r["case"] != "digits"
    ]

    def reached(method: str) -> Measured | None:
        run = run_of(trials, "random", method)
        return geometric_mean(np.divide(run["error"], run["bound"]).tolist()) if run else None

    return {
        "T10": {
            case: against(case, dash, plain) for case in ("random", "bottom", "none", "digits")
        },
        "T10b": {
            "pre-launch": against("random", dash, "Dash, oracle"),
            "gradient": against("random", "Dash, gradient", "Dash, oracle"),
            "pre-launch, bottom": against("bottom", dash, "Dash, oracle"),
        },
        "T11": {
            "any directions": against("random", dash, "Dash, random"),
            "any directions, digits": against("digits", dash, "Dash, random"),
            "more rank": against("random", dash, "LoRA, r + s"),
            "more rank, bottom": against("bottom", dash, "LoRA, r + s"),
        },
        "T12": {
            "rank": spread(
                [
                    changed / (2 * rank)
                    for x in initialized
                    for changed, rank in zip(x["ranks"], x["rank"], strict=True)
                ]
            ),
            **{key: reached(method) for key, (method, _) in REACHED.items()},
        },
        "T12b": {
            "rank r": against("random", init, plain),
            "rank r, no core structure": against("none", init, plain),
            "rank 2 r": against("random", init, "LoRA, 2r"),
            "rank 2 r, bottom": against("bottom", init, "LoRA, 2r"),
        },
        "T12c": {
            "Init": against("random", tsd, init),
            "Dash": against("random", tsd, dash),
            "Dash, bottom": against("bottom", tsd, dash),
        },
    }


def library(trials: Trials) -> Measurements:
    """T13 and T14: on every draw, so with the range over draws."""
    launched = trials["launched"]
    plain = {r["seed"]: r["result"]["chosen"] for r in launched if r["loop"] == "plain"}
    return {
        "T13": {key: spread(pick(trials["invariants"], key)) for key in KEPT},
        "T14": {
            "updates": spread(pick(launched, "before")),
            "directions": spread(
                [float(r["result"]["chosen"] == plain[r["seed"]]) for r in launched]
            ),
            "resumed": spread(pick(trials["resumed"], "distance")),
        },
        "T14b": {loop: spread(pick(launched, "by_forwards", loop=loop)) for loop in LOOPS},
    }


def evidence(trials: Trials) -> Measurements:
    """Every claim's checks."""
    parts = (chance, predicted, first_step, recalled, methods, library)
    return {id: checks for part in parts for id, checks in part(trials).items()}
