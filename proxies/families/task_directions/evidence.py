"""From finished trials to the evidence of every check."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.statistics import (
    clustered,
    geometric_mean,
    mean,
    resplit_geometric_mean,
    spread,
)
from proxies.families.task_directions.claims.chance import EDGES
from proxies.families.task_directions.claims.directions import POOLS, SIZES
from proxies.families.task_directions.claims.methods import REACHED
from proxies.families.task_directions.claims.recall import PLANTED
from proxies.families.task_directions.trials.predictions import (
    LORA,
    LORA_OF_TASK,
    ROTATED,
    RUN,
    TASK,
)
from proxies.instruments.trial_grid import Records, pick

DIGITS = "digits"
DIGITS_TRAIN, DIGITS_TEST = 1200, 597
Trials = Mapping[str, Records]
"""The records of each kind of trial, by the names that trials/plan.py gives them."""
Measurements = dict[str, dict[str, Measured | None]]
"""By the id of the claim and the key of the check."""


def over(values: Any, unit: str) -> Measured | None:
    """The mean, where anything was measured."""
    draws = np.asarray(values, float).tolist()
    return mean(draws, unit) if draws else None


def drawn(trials: Trials, kind: str, name: str) -> list[float]:
    """One trait of each weight of a kind."""
    return pick(trials["drawn"], name, kind=kind)


def of_minilm(trials: Trials, square: bool, name: str) -> Measured | None:
    """One trait for each draw of the changes: the mean over the matrices of that shape."""
    matrices = [x for r in trials["transformer"] for x in r["result"] if x["square"] == square]
    return over(np.mean([x[name] for x in matrices], 0), "change") if matrices else None


def chance(trials: Trials) -> Measurements:
    """T1 to T4."""
    exact = {
        (r["law"], r["s"], r["m"]): np.array(r["result"]["overlaps"]) - r["result"]["exact"]
        for r in trials["edges"]
    }
    return {
        "T1": {f"{law}, {s} in {m}": over(exact[law, s, m], "pair") for law, s, m in EDGES},
        "T2b": {
            "MiniLM": of_minilm(trials, True, "accuracy"),
            "Gaussian": over(drawn(trials, "bidiagonal", "accuracy"), "weight"),
            "MiniLM, root of sigma": of_minilm(trials, True, "root"),
        },
        "T3": {
            "rectangular": over(drawn(trials, "rectangular", "accuracy"), "weight"),
            "flat": over(drawn(trials, "flat", "accuracy"), "change"),
            "MiniLM": of_minilm(trials, False, "accuracy"),
        },
        "T4": {
            "place": over(drawn(trials, "bidiagonal", "bottom_rank"), "weight"),
            "place, MiniLM": of_minilm(trials, True, "bottom_rank"),
            "slope": over(drawn(trials, "bidiagonal", "slope"), "weight"),
        },
    }


def by_network(
    trials: Trials, pool: str, source: str, score: str, sizes: str
) -> list[tuple[float, float]]:
    """Of each network the mean overlap over tasks, and the mean null."""
    found = []
    for network in pick(trials["predicted"], "overlaps", pool=pool):
        records = [
            (r["value"], r["null"])
            for r in network
            if (r["source"], r["score"], r["sizes"]) == (source, score, sizes)
        ]
        found.append(tuple(np.mean(records, 0)))
    return found


def lifts(trials: Trials, pool: str, source: str, score: str, sizes: str) -> list[float]:
    return [
        (value - null) / (1 - null)
        for value, null in by_network(trials, pool, source, score, sizes)
    ]


def predicted(trials: Trials) -> Measurements:
    """T5: an interval is over networks."""

    def apart(pool: str, one: str, other: str, score: str) -> Measured | None:
        """How much more two sources overlap with the true change, 8 in 16."""
        pairs = [by_network(trials, pool, source, score, "8 in 16") for source in (one, other)]
        return over([x - y for (x, _), (y, _) in zip(*pairs, strict=True)], "network")

    def by_size(pool: str, source: str) -> Measured | None:
        by = {score: lifts(trials, pool, source, score, "8 in 16") for score in ("abs", "rate")}
        return over(np.subtract(by["abs"], by["rate"]), "network")

    shares = {
        pool: [
            float(np.mean([profile["phi"] for profile in found]))
            for found in pick(trials["predicted"], "profiles", pool=pool)
        ]
        for pool in POOLS
    }
    return {
        "T5": {
            **{
                f"{name}, {pool}": over(lifts(trials, pool, LORA, "rate", sizes), "network")
                for name, sizes in SIZES.items()
                for pool in POOLS
            },
            **{
                f"beyond {name}, {pool}": apart(pool, LORA, source, "rate")
                for name, source in (("another task", LORA_OF_TASK), ("a rotated copy", ROTATED))
                for pool in POOLS
            },
        },
        "T5b": {
            f"{name}, {pool}": by_size(pool, source)
            for name, source in (("LoRA", LORA), ("gradient", "gradient"))
            for pool in POOLS
        },
        "T5c": {
            f"{name}, {pool}": apart(pool, RUN, TASK, score)
            for score, name in (("rate", "by rate"), ("abs", "by size"))
            for pool in POOLS
        },
        "T5d": {pool: spread(found, "network") for pool, found in shares.items()},
    }


def first_step(trials: Trials) -> Measurements:
    """T6 and T15: a seed's ranks are a cluster."""

    def by_seed(value: Any) -> list[list[float]]:
        records = trials["identified"]
        seeds = sorted({r["seed"] for r in records})
        return [[value(r["result"]) for r in records if r["seed"] == seed] for seed in seeds]

    return {
        "T6": {
            "ratio": clustered(by_seed(lambda x: x["snr"] / x["predicted"]), "seed"),
            "mean": clustered(by_seed(lambda x: x["mean"]), "seed"),
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

    def of(values: np.ndarray) -> Measured | None:
        return over(values, "problem")

    def null(rank: int) -> np.ndarray:
        return np.array(
            [x["rate"] for x in pick(trials["recall"], "null", rank=rank, case="random")]
        )

    by_rate, by_size = "LoRA 100, rate", "LoRA 100, abs"
    return {
        "T7": {f"rank {rank}": of(found(by_rate, rank) - null(rank)) for rank in (2, 8, 32)},
        "T7b": {
            f"rank {more} over {less}": of(found(by_rate, more) - found(by_rate, less))
            for less, more in ((2, 8), (8, 32))
        },
        "T8": {
            "by rate": of(found("gradient, rate") - found(by_rate)),
            "by size": of(found("gradient, abs") - found(by_size)),
        },
        "T9": {
            case: of(found("LoRA 10, abs", case=case) - found("LoRA 10, rate", case=case))
            for case in PLANTED
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
    if not one or not other:
        return None
    ratios = np.divide(one["error"], other["error"]).tolist()
    if case == DIGITS:
        return resplit_geometric_mean(ratios, DIGITS_TRAIN, DIGITS_TEST)
    return geometric_mean(ratios, "problem")


def methods(trials: Trials) -> Measurements:
    """T10 to T12c."""
    dash, init, tsd, plain = "Dash, pre-launch", "Init, pre-launch", "TSD, pre-launch", "LoRA, r"

    def against(case: str, above: str, below: str) -> Measured | None:
        return ratio(trials, case, above, below)

    def reached(method: str) -> Measured | None:
        run = run_of(trials, "random", method)
        if not run:
            return None
        return geometric_mean(np.divide(run["error"], run["bound"]).tolist(), "problem")

    over_lora = lambda method, *cases: {case: against(case, method, plain) for case in cases}
    return {
        "T10": over_lora(dash, "random", "bottom", "none", "clusters", DIGITS),
        "T10b": {
            "pre-launch": against("random", dash, "Dash, oracle"),
            "gradient": against("random", "Dash, gradient", "Dash, oracle"),
            "pre-launch, bottom": against("bottom", dash, "Dash, oracle"),
        },
        "T11": {
            case: against(case, dash, "Dash, random") for case in ("random", "clusters", DIGITS)
        },
        "T11b": {case: against(case, "LoRA, r + s", dash) for case in ("random", "bottom")},
        "T12": {key: reached(method) for key, (method, _) in REACHED.items()},
        "T12b": {
            **over_lora(init, "random", "none", "grown", "clusters", DIGITS),
            "rank 2 r": against("random", init, "LoRA, 2r"),
            "random directions": against("random", init, "Init, random"),
        },
        "T12c": {
            **over_lora(tsd, "random", "none", "grown", "clusters", DIGITS),
            "Dash": against("random", tsd, dash),
            "random directions": against("random", tsd, "TSD, random"),
        },
    }


def evidence(trials: Trials) -> Measurements:
    """Every claim's checks."""
    parts = (chance, predicted, first_step, recalled, methods)
    return {id: checks for part in parts for id, checks in part(trials).items()}
