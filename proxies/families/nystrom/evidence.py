"""From the records of trials to the measured value of every check, by claim and key."""

from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.statistics import geometric_mean, mean, proportion, spread
from proxies.families.nystrom.claims.adaptation import ALIGNMENTS, overlap
from proxies.families.nystrom.claims.links import SIX
from proxies.families.nystrom.trials.plan import CONDITIONS, RANDOM_RANKS
from proxies.families.nystrom.trials.problem import EPS
from proxies.instruments.trial_grid import Records, pick
from theory.nystrom import symmetric

Trials = dict[str, Records]
Measurements = dict[str, dict[str, Measured | None]]
INITIALIZATIONS = ("random", "weight", "gradient")


def evidence(trials: Trials, timing: bool) -> Measurements:
    """The measured value of every check.

    Args:
        trials: the records of every trial by name.
        timing: whether times count.

    Returns: claim id -> key -> value, None where it was not measured.
    """
    return {**_laws(trials), **_limits(trials), **_adaptation(trials, timing)}


def results(records: Records) -> list[dict[str, Any]]:
    return [record["result"] for record in records]


def fastest_descent(descent: Records, condition: float) -> list[int | None]:
    """Steps of gradient descent at the better of its step sizes, seed by seed; None for never."""
    by_step_size = [pick(descent, "steps", condition=condition, eta=eta) for eta in (0.5, 0.9)]
    return [
        min((t for t in pair if t is not None), default=None)
        for pair in zip(*by_step_size, strict=True)
    ]


def _laws(trials: Trials) -> Measurements:
    """N1 to N6: what holds from the Nyström initialization."""
    scalar, polar, newton = trials["scalar"], trials["polar"], trials["newton"]
    steps = [
        steps
        for one in results(scalar)
        for steps, condition in zip(one["steps"], one["condition"], strict=True)
        if condition <= 1e5
    ]
    beyond = [
        one["steps"] - np.log(one["distance"]) / np.log(4)
        for one in results(newton + trials["scales"])
    ]
    by_condition = np.array(
        [pick(newton, "steps", condition=condition) for condition in CONDITIONS]
    )
    slopes = np.polyfit(np.log(CONDITIONS) / np.log(4), by_condition, 1)[0]
    slower = [
        slow / fast
        for slow, fast in zip(
            fastest_descent(trials["descent"], 1e2), by_condition[1], strict=False
        )
        if slow is not None
    ]
    factors = [
        abs(record["result"]["factor"] - symmetric.tail_factor(record["eta"]))
        for record in trials["tails"]
    ]
    return {
        "N1": {"deviation": spread(pick(scalar, "deviation"))},
        "N2": {"steps": spread(steps)},
        "N3": {
            "one step": spread(pick(scalar, "one_step")),
            "cycle": spread([one["cycle"] for one in results(polar) if one["distance"] <= 1e6]),
            "lowest error": spread(pick(polar, "cycle_lowest")),
        },
        "N4": {
            "map": spread(pick(polar, "map")),
            "singular values": spread(pick(polar, "sigma")),
            "residual": spread(pick(polar, "residual")),
            "limit": spread(pick(polar, "limit")),
        },
        "N5": {
            "eta 1/2": spread(pick(trials["orders"], "order", eta="0.5")),
            "eta 0.4": spread(pick(trials["orders"], "order", eta="0.4")),
        },
        "N5b": {"factor": spread(factors)},
        "N6": {
            "steps beyond the distance": spread(beyond),
            "slope": mean(slopes.tolist()),
            "ill-conditioned": mean(pick(newton, "steps", condition=1e6)),
            "gradient descent": geometric_mean(slower),
        },
    }


def _limits(trials: Trials) -> Measurements:
    """N7 to N10: where it stops holding, and where nothing is gained."""
    leaks, random, one_step = trials["leaks"], trials["random"], trials["one step"]
    # A leak of 1e-9 is down to 1e-12 after ten steps, before some runs have converged inside the
    # range.
    visible = results([record for record in leaks if record["size"] >= 1e-6])
    return {
        "N7": {
            "outside": spread(pick(leaks, "outside")),
            "factor": spread([r["late"] for r in visible]),
            "steps beyond the bound": spread([r["steps"] - r["least_steps"] for r in visible]),
        },
        "N8": {
            "agreement": spread(pick(random, "agreement")),
            **{f"rank {rank}": _converged(random, rank) for rank in RANDOM_RANKS},
            "alternating": spread(pick(random, "alternating")),
            "alternating factor": spread(np.ravel(pick(random, "alternating_factors")).tolist()),
        },
        "N9": {
            "factor": spread(pick(trials["below"], "ratio")),
            "range finder": spread(pick(one_step, "range_finder")),
            "weak optimality": spread(pick(one_step, "weak_optimality")),
            "excess": spread(pick(one_step, "excess")),
        },
        "N10": {
            "one sweep": spread(pick(trials["squares"], "first")),
            "steps saved": spread([sweeps - SIX for sweeps in pick(trials["squares"], "sweeps")]),
        },
    }


def _converged(random: Records, rank: int) -> Measured:
    draws = sum(record["draws"] for record in random if record["rank"] == rank)
    return proportion(sum(pick(random, "converged", rank=rank)), draws)


def _adaptation(trials: Trials, timing: bool) -> Measurements:
    """N11 to N14: what carries over to low-rank adaptation."""
    (cost,), transfer = results(trials["cost"]), trials["transfer"]
    released = results(trials["released"])

    def ratio(field: str, above: str, below: str, alignment: float) -> Measured:
        pairs = zip(*(pick(transfer, n, alignment=alignment) for n in (above, below)), strict=True)
        return geometric_mean([a[field] / b[field] for a, b in pairs])

    runs = [one[name] for one in results(transfer) for name in INITIALIZATIONS]
    return {
        "N11": {overlap(x): ratio("steps", "random", "weight", x) for x in ALIGNMENTS},
        "N11b": {overlap(x): ratio("steps", "random", "gradient", x) for x in ALIGNMENTS},
        "N11c": {
            "law": spread([abs(one["first"] - one["law"]) / EPS for one in runs]),
            **{overlap(x): ratio("first", "weight", "random", x) for x in (0.0, 1.0)},
        },
        "N12": {
            name: spread(pick(trials["exponents"], name))
            for name in ("preconditioned", "gradient", "released")
        },
        "N13": {
            "singular values": spread(cost["value_error"]),
            "singular vectors": spread(cost["mean_cos2"]),
            "time over randomised": geometric_mean(cost["over_randomised"]) if timing else None,
            "time over sketch": geometric_mean(cost["over_sketch"]) if timing else None,
        },
        "N14": {
            name: spread(released[0][name]) if released else None
            for name in ("lora_ga", "olora", "nora")
        },
    }
