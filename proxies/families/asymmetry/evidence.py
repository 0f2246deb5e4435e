"""From finished trials to the evidence of every check."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.statistics import (
    geometric_mean,
    mean,
    proportion,
    resplit_mean,
    simultaneous,
    spread,
)
from proxies.families.asymmetry.claims.advice import ADVISED, APART, DECIDED, SINGLE_RANKS
from proxies.families.asymmetry.claims.classifiers import DATA, EAGER, LAZY, NEW, SUBSPACES
from proxies.families.asymmetry.claims.explained import THEOREM
from proxies.families.asymmetry.claims.training import CARRIED, NEAR, NETWORKS, UNGATED
from proxies.families.asymmetry.trials import advice
from proxies.families.asymmetry.trials.populations import POPULATIONS
from proxies.instruments.trial_grid import Records, pick

STANDARD, MIRRORED = "BA, random", "BA, mirrored"  # initializations of A10 and A10b
Trials = Mapping[str, Records]
"""The records of each kind of trial, by the names that trials/plan.py gives them."""
Found = dict[str, Measured | None]
"""By the key of the check."""
Measurements = dict[str, Found]
"""By the id of the claim."""


def explained(trials: Trials) -> Measurements:
    """A1 to A4."""
    linear, few, ordered = trials["explained"], trials["few"], trials["ordered"]

    def wins(case: str) -> Measured:
        (record,) = (r for r in linear if (r["case"], r["rank"]) == (case, 4))
        return proportion(record["result"]["wins"], record["draws"], "draw")

    def equivalent(rank: int) -> Measured:
        cases = dict.fromkeys(r["case"] for r in linear)
        ratios = [np.concatenate(pick(linear, "ratios", rank=rank, case=case)) for case in cases]
        return simultaneous([mean(x.tolist(), "draw") for x in ratios], 1)

    # Where the two are closer than a hundredth of either, no rule has anything to predict.
    decided = [
        (r["rank"], r["result"])
        for r in linear
        if abs(r["result"]["B"] - r["result"]["A"]) > 0.01 * max(r["result"]["B"], r["result"]["A"])
        and abs(r["result"]["sign"] - 1) > 0.05
    ]
    return {
        "A1": {
            name: spread(pick(trials["forms"], name), "problem") for name in ("gradient", "loss")
        },
        "A2": {"share": spread([r["result"] for r in trials["basis"]], "problem")},
        "A2b": {f"rank {rank}": equivalent(rank) for rank in (1, 4, 16)},
        "A3": {case: wins(case) for case in THEOREM},
        "A3b": {
            "sign": spread(
                [float((x["sign"] > 1) == (x["B"] > x["A"])) for _, x in decided if x["room"] >= 3],
                "case",
            ),
            "shares": spread(
                [
                    float((x["predicted"] > rank / x["out"]) == (x["B"] > x["A"]))
                    for rank, x in decided
                ],
                "case",
            ),
        },
        "A3c": {
            "ordered": spread(pick(ordered, "ordered"), "problem"),
            "weakest input": spread(pick(ordered, "weakest"), "problem"),
        },
        "A4": {
            "lost share": spread(pick(few, "lost"), "problem"),
            "lead": spread(pick(few, "lead"), "problem"),
        },
    }


def training(trials: Trials) -> Measurements:
    """A5 to A7b."""

    def lead(case: str, network: str) -> Measured:
        B, A = (pick(trials["teachers"], name, case=case, network=network) for name in "BA")
        return mean(np.subtract(B, A).tolist())

    def near(name: str) -> Measured:
        return mean([r["result"] for r in trials["near"] if r["name"] == name], "problem")

    def of(kind: str, name: str, samples: int) -> np.ndarray:
        return np.array([x[name] for x in pick(trials["compared"], kind, samples=samples)])

    def risk(above: str, below: str, samples: int) -> Measured:
        return mean((of("risk", above, samples) - of("risk", below, samples)).tolist(), "problem")

    steps = trials["conditioning"]
    return {
        "A5": {
            f"{case}, {network}": lead(case, network) for case in CARRIED for network in NETWORKS
        },
        "A5b": {
            **{f"uneven, {network}": lead("flat, uneven V", network) for network in UNGATED},
            **{f"even, {network}": lead("flat", network) for network in ("tanh", "relu")},
        },
        "A6": {"condition": spread(pick(steps, "worst"))},
        "A6b": {
            f"variances i^-{exponent}": mean(pick(steps, "lead", exponent=exponent), "problem")
            for exponent in (1, 2)
        },
        "A7": {name: near(name) for name in NEAR},
        "A7b": {
            "gap of both": geometric_mean(
                (of("gap", "BA", 64) / of("gap", "B2", 64)).tolist(), "problem"
            ),
            "error of A": risk("A", "B", 64),
            "error of B at twice the rank": risk("B2", "BA", 512),
        },
    }


def over_networks(population: str, values: Sequence[float]) -> Measured:
    """The mean over networks: independent ones, or splits of one pool."""
    found = POPULATIONS[population]
    if not found.pool:
        return mean(values, "network and data")
    train, _, test = found.sizes
    return resplit_mean(values, train, test, "split of one data set")


def classifiers(trials: Trials) -> Measurements:
    """A10 to A11c."""

    def nearer(factor: str, kept: str, other: str, method: str, rate: float) -> Found:
        """A factor's overlap where one thing is kept less that where the other is."""

        def difference(population: str) -> list[float]:
            where = {"method": method, "rate": rate, "population": population}
            return [
                float(np.mean(np.subtract(x[kept], x[other])))
                for x in pick(trials["similarity"], factor, **where)
            ]

        return {
            f"{factor}, {rate:g}, {population}": mean(difference(population), "network and data")
            for population in SUBSPACES
        }

    def gains(above: tuple[str, int], below: tuple[str, int], keys: Sequence[str]) -> Found:
        """Test accuracy of one method and rank minus that of another."""
        found: Found = {}
        for key in keys:
            population, samples, _ = DATA[key]
            first, second = (
                pick(
                    trials["methods"],
                    "test",
                    population=population,
                    samples=samples,
                    method=method,
                    rank=rank,
                )[0]
                for method, rank in (above, below)
            )
            found[key] = over_networks(population, np.subtract(first, second).tolist())
        return found

    start, task = "same initialization", "same task"
    B, A = ("B, orthonormal", 8), ("A, orthonormal", 8)
    return {
        "A10": {
            key: measured
            for rate in (LAZY, EAGER)
            for part in (
                nearer("A", start, task, STANDARD, rate),
                nearer("B", task, start, STANDARD, rate),
            )
            for key, measured in part.items()
        },
        "A10b": {
            **nearer("B", start, task, MIRRORED, LAZY),
            **nearer("A", task, start, MIRRORED, LAZY),
        },
        "A11": gains(B, A, list(DATA)),
        "A11b": gains(B, (STANDARD, 8), list(DATA)),
        "A11c": gains(B, (STANDARD, 4), NEW),
    }


def regression_cases(trials: Trials) -> dict[str, list[tuple[list[Any], float]]]:
    """By kind: the advice and the lead of training B, of every case whose outcome is decided."""
    spectra, unseen = ([r["result"] for r in trials[name]] for name in ("spectra", "unseen"))
    leads = [(x["advice"]["fisher"], x["B"] - x["A"]) for x in unseen]
    return {
        "least squares": [(x["advice"], x["gain"]) for x in spectra if abs(x["z"]) > APART],
        "networks": [case for case in leads if abs(case[1]) > DECIDED],
    }


def classifier_cases(trials: Trials, key: str, rank: int) -> list[list[tuple[list[Any], float]]]:
    """For each network, of its layers: the advice and the lead of training B in test accuracy."""
    population, samples, _ = DATA[key]
    data = {"population": population, "samples": samples}

    def tested(trained: str, layer: int) -> list[float]:
        where = {"method": f"{trained}, orthonormal", "rank": rank, "layers": [layer]}
        return pick(trials["layers"], "test", **data, **where)[0]

    layers = sorted({r["layers"][0] for r in trials["layers"]})
    leads = [np.subtract(tested("B", layer), tested("A", layer)) for layer in layers]
    advised = [
        found
        for r in trials["advised"]
        if (r["population"], r["samples"]) == (population, samples)
        for found in r["result"]
    ]
    return [
        [(found["fisher"][f"{layer} {rank}"], float(leads[layer][i])) for layer in layers]
        for i, found in enumerate(advised)
    ]


def freezing(trials: Trials) -> Measurements:
    """A15 to A15c."""

    def rightly(kind: str) -> Measured | None:
        found = regression_cases(trials)[kind]
        right = sum(advice.followed(*case) > 0 for case in found)
        return proportion(right, len(found), "problem") if found else None

    def gain(key: str, rank: int) -> Measured | None:
        """What following the advice gains; a network's layers are one cluster."""
        if not (networks := classifier_cases(trials, key, rank)):
            return None
        means = [float(np.mean([advice.followed(*case) for case in cases])) for cases in networks]
        return over_networks(DATA[key][0], means)

    return {
        "A15": {kind: rightly(kind) for kind in ("least squares", "networks")},
        "A15b": {f"rank {rank}": gain("digits", rank) for rank in SINGLE_RANKS},
        "A15c": {
            f"{key}, rank {rank}": gain(key, rank)
            for key in ADVISED
            if key in NEW
            for rank in SINGLE_RANKS
        },
    }


def evidence(trials: Trials) -> Measurements:
    """Every claim's checks."""
    return {
        id: checks
        for part in (explained, training, classifiers, freezing)
        for id, checks in part(trials).items()
    }
