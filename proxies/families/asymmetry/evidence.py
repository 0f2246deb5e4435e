"""From finished trials to the evidence of every check."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.statistics import geometric_mean, mean, proportion, spread
from proxies.families.asymmetry.claims.explained import CARRIED, THEOREM
from proxies.families.asymmetry.claims.training import SAMPLES
from proxies.families.asymmetry.trials import advice
from proxies.families.asymmetry.trials.linear import standardised
from proxies.instruments.trial_grid import Records, pick

DECIDED = 0.03  # a gain, in test accuracy or in the share of a loss, that counts as decided
LAZY, EAGER = 1e-3, 1e-2  # learning rates of A10
Trials = Mapping[str, Records]
"""The records of each kind of trial, by the names that proxies/asymmetry.py gives them."""
Measurements = dict[str, dict[str, Measured | None]]
"""By the id of the claim and the key of the check."""


def explained(trials: Trials) -> Measurements:
    """A1 to A5."""
    linear, few = trials["explained"], trials["few"]

    def wins(case: str, rank: int) -> Measured:
        ((won, draws),) = (
            (r["result"]["wins"], r["draws"])
            for r in linear
            if (r["case"], r["rank"]) == (case, rank)
        )
        return proportion(won, draws)

    # Where the two are closer than a hundredth of either, no rule has anything to predict.
    decided = [
        (r["rank"], r["result"])
        for r in linear
        if abs(r["result"]["B"] - r["result"]["A"]) > 0.01 * max(r["result"]["B"], r["result"]["A"])
        and abs(r["result"]["sign"] - 1) > 0.05
    ]
    ratio = {r: pick(linear, "ratio", rank=r) for r in sorted({r["rank"] for r in linear})}
    return {
        "A1": {name: spread(pick(trials["forms"], name)) for name in ("gradient", "loss")},
        "A2": {
            "A trained": spread(pick(linear, "z_A")),
            "B trained": spread([x for rank, found in ratio.items() if rank > 1 for x in found]),
            "B trained, one row": spread(ratio[1]),
        },
        "A3": {case: wins(case, 4) for case in THEOREM},
        "A3b": {
            "sign": spread(
                [float((x["sign"] > 1) == (x["B"] > x["A"])) for rank, x in decided if rank <= 4]
            ),
            "equal variances": wins("flat", 4),
            "whitened target": wins("1/i, whitened", 4),
            "high rank": wins("1/i, 128 to 32", 16),
            "shares": spread(
                [
                    float((x["predicted"] > rank / x["out"]) == (x["B"] > x["A"]))
                    for rank, x in decided
                ]
            ),
        },
        "A4": {"lost share": spread(pick(few, "lost")), "gap": spread(pick(few, "z"))},
        "A5": {
            case: mean(
                [
                    r["result"]["B"] - r["result"]["A"]
                    for r in trials["teachers"]
                    if r["case"] == case
                ]
            )
            for case in CARRIED
        },
    }


def training(trials: Trials) -> Measurements:
    """A6 to A11c."""
    conditioning, methods, overlaps = (
        trials[name] for name in ("conditioning", "methods", "similarity")
    )
    descent = {
        name: pick(conditioning, name, exponent=1) for name in ("ratio", "first_B", "first_A")
    }

    def beyond(factor: str, kind: str, rate: float) -> Measured:
        found = pick(overlaps, factor, rate=rate, method="BA, random")
        return mean([float(np.mean(np.subtract(x[kind], x["neither"]))) for x in found])

    def gains(above: tuple[str, int], below: tuple[str, int]) -> dict[str, Measured | None]:
        """Test accuracy of one method and rank minus that of another, by the number of samples."""
        found = {}
        for samples in SAMPLES:
            first, second = (
                pick(methods, "test", method=method, rank=rank, samples=samples)[0]
                for method, rank in (above, below)
            )
            found[f"{samples} samples"] = mean(np.subtract(first, second).tolist())
        return found

    B, A, both = "B, orthonormal", "A, orthonormal", "BA, random"
    return {
        "A6": {
            "worst condition": spread(pick(conditioning, "worst")),
            "median condition": mean(descent["ratio"]),
            "first step, B trained": mean(descent["first_B"]),
            "first step, A trained": mean(descent["first_A"]),
        },
        "A7": _gaps(trials["gaps"]),
        "A10": {
            "control": spread(
                [
                    standardised(np.array(r["result"]["overlaps"]), r["rank"] / r["size"])
                    for r in trials["haar"]
                ]
            ),
            "A, one initialization": beyond("A", "same initialization", LAZY),
            "B, one task": beyond("B", "same task", LAZY),
            "B, one initialization": beyond("B", "same initialization", LAZY),
            "A, large learning rate": beyond("A", "same initialization", EAGER),
        },
        "A11": gains((B, 8), (A, 8)),
        "A11b": gains((both, 4), (B, 4)),
        "A11c": gains((B, 8), (both, 4)),
    }


def _gaps(gaps: Records) -> dict[str, Measured | None]:
    z = []
    for samples in sorted({r["samples"] for r in gaps}):
        found, predicted = (pick(gaps, name, samples=samples) for name in ("gap", "predicted"))
        for name in ("B", "B2", "A"):
            # Relative to each problem's own prediction, so that all problems' draws have the mean
            # 1.
            draws = [np.array(x[name]) / p[name] for x, p in zip(found, predicted, strict=True)]
            z.append(standardised(np.concatenate(draws), 1))

    def means(kind: str, name: str, samples: int) -> np.ndarray:
        return np.array([np.mean(x[name]) for x in pick(gaps, kind, samples=samples)])

    def risk(above: str, below: str, samples: int) -> Measured:
        return mean((means("risk", above, samples) - means("risk", below, samples)).tolist())

    return {
        "formulas": spread(z),
        "gap of both": geometric_mean((means("gap", "BA", 64) / means("gap", "B2", 64)).tolist()),
        "error of A": risk("A", "B", 64),
        "error of B at twice the rank": risk("B2", "BA", 512),
    }


def library(trials: Trials) -> Measurements:
    """A12 to A13b."""
    spaces, moved = trials["spaces"], trials["moved"]
    (layer,), (block,) = trials["layer"], trials["block"]
    saved, r = layer["result"], layer["rank"]
    exact = lambda value: Measured(value, value, value)
    return {
        "A12": {
            "both trained": exact(saved["BA 0"] - 4 * (layer["d"] + r)),
            "B trained": exact(saved["B 0"] - 4 * r),
            "block": exact(
                block["result"]["BA"] - block["result"]["B"] - 4 * (2 * block["d"] + block["d_ff"])
            ),
            "dropout": exact(saved["B 0.05"] - 4 * r),
        },
        "A13": {
            "frozen": spread(pick(moved, "frozen")),
            "trained": spread(pick(moved, "trained")),
            "PiSSA": spread(pick(spaces, "pissa")),
            "orthogonal": spread(pick(spaces, "orthonormality")),
            "default": mean(pick(spaces, "row_length")),
        },
        "A13b": {
            "singular": spread(pick(spaces, "transposed")),
            "trained": spread(pick(moved, "readme")),
        },
    }


def scored(trials: Trials) -> dict[tuple[str, str], list[tuple[list[Any], float]]]:
    """(kind of case, curvature) -> the advice and the gain of training B, of every case whose
    outcome is decided."""
    spectra = [r["result"] for r in trials["spectra"]]
    found = {
        ("least squares", "known"): [(x["advice"], x["gain"]) for x in spectra if abs(x["z"]) > 4]
    }
    first = min((r["seed"] for r in trials["digits"]), default=0)
    layers = {
        (r["layers"][0], r["rank"], r["method"][0]): r["result"]["test"] for r in trials["layers"]
    }

    def gain(r: dict[str, Any]) -> float:
        B, A = (layers[r["layer"], r["rank"], trained][r["seed"] - first] for trained in "BA")
        return B - A

    for curvature in ("fisher", "errors"):
        cases = {
            "teacher networks": [
                (x["advice"][curvature], x["B"] - x["A"])
                for x in (r["result"] for r in trials["unseen"])
            ],
            "digits": [(r["result"][curvature], gain(r)) for r in trials["digits"]],
        }
        for kind, all_cases in cases.items():
            found[kind, curvature] = [case for case in all_cases if abs(case[1]) > DECIDED]
    return found


def freezing(trials: Trials) -> Measurements:
    """A15, A15b."""
    cases = scored(trials)

    def rightly(kind: str, curvature: str) -> Measured | None:
        """The share of decided cases in which the advice has the sign of the gain of training B."""
        found = cases[kind, curvature]
        return proportion(sum(advice.agrees(*x) for x in found), len(found)) if found else None

    return {
        "A15": {
            "least squares": rightly("least squares", "known"),
            "teacher networks": rightly("teacher networks", "fisher"),
        },
        "A15b": {"digits": rightly("digits", "fisher")},
    }


def evidence(trials: Trials) -> Measurements:
    """Every claim's checks."""
    return {
        id: checks
        for part in (explained, training, library, freezing)
        for id, checks in part(trials).items()
    }
