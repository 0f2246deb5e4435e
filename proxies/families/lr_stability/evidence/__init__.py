"""From finished trials to the evidence of every check. Intervals of slopes are over seeds, a slope
for each seed."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.statistics import geometric_mean, mean, spread
from proxies.families.lr_stability.claims import CLAIMS
from proxies.families.lr_stability.claims.checks import (
    BIG,
    NAMES,
    SLOPES,
    Slope,
    best_key,
    largest_key,
    rank_key,
)
from proxies.families.lr_stability.claims.losses import octaves_key, regret_key, wrong_key
from proxies.families.lr_stability.trials.plan import (
    CARRIED,
    FEATURES,
    STABLE,
    Array,
    Carried,
    Found,
    Powers,
)
from proxies.instruments.slopes import regrets, slopes
from theory import lr_stability as theory
from theory.lr_stability import Readout, Scale

Measurements = dict[str, dict[str, Measured | None]]
CLOSE = 0.1  # a slope counts as predicted


def joined(*parts: Measurements) -> Measurements:
    """The evidence of every claim, None for each check that no part measured."""
    found: Measurements = {claim.id: dict.fromkeys(claim.keys) for claim in CLAIMS}
    for part in parts:
        for id, checks in part.items():
            found[id] |= checks
    return found


def predictions(measured: Powers) -> list[dict[str, Any]]:
    """A row for each initialization, pair of learning rates, quantity and number of steps: the
    calculus' slope, the mean over seeds, and the largest size; the slopes are None where the
    calculus says that the quantity is zero.
    """
    rows = []
    for at, steps in enumerate(measured.steps):
        for k, name in enumerate(measured.names):
            orders = theory.exponents(name, steps=steps)
            for quantity, size in measured.sizes.items():
                for p, (c_A, c_B) in enumerate(measured.pairs):
                    predicted = float(getattr(orders, quantity)(Fraction(c_A), Fraction(c_B)))
                    zero = not np.isfinite(predicted)
                    slope = measured.slopes[quantity][:, at, k, p]
                    rows.append(
                        {
                            "initialization": name,
                            "steps": steps,
                            "quantity": quantity,
                            "c_A": c_A,
                            "c_B": c_B,
                            "predicted": None if zero else predicted,
                            "measured": None if zero else float(slope.mean()),
                            "largest": float(size[:, :, at, k, p].max()),
                        }
                    )
    return rows


def of_grid(measured: Powers) -> Measurements:
    """L2."""
    rows = predictions(measured)
    off = lambda quantities: [
        abs(r["measured"] - r["predicted"])
        for r in rows
        if r["measured"] is not None and r["quantity"] in quantities
    ]
    features = off(FEATURES)
    return {
        "L2": {
            "features": spread(features),
            "share of features": exact(float(np.mean(np.array(features) <= CLOSE))),
            "mean over features": exact(float(np.mean(features))),
            "output": spread(off(("f",))),
            "zeros": exact(sum(r["largest"] > 0 for r in rows if r["measured"] is None)),
        }
    }


def of_limits(measured: Powers) -> Measurements:
    """L2b, L4, L5, L6 and the first step of L7."""
    return {id: {case.key: slope(measured, case) for case in cases} for id, cases in SLOPES.items()}


def slope(measured: Powers, case: Slope) -> Measured:
    at = measured.names.index(case.name), measured.pairs.index(case.pair)
    return _mean(measured.slopes[case.quantity][:, 0 if case.first else 1, *at])


def exact(value: float) -> Measured:
    return Measured(float(value), float(value), float(value))


def _mean(values: Array) -> Measured:
    return mean(values.tolist())


def of_laws(
    theorems: dict[str, Any], exactness: Sequence[dict[str, float]], speed: Sequence[float]
) -> Measurements:
    """L1 and L12."""
    return {
        "L1": {
            "closed form": exact(theorems["wrong"]),
            **{words: exact(theorems["largest"][name]) for name, words in NAMES.items()},
            "LoRA+": exact(theorems["unique"]),
            "SGD": exact(theorems["cycle"]),
        },
        "L12": {
            "losses": spread([one["difference"] for one in exactness]),
            "covariance": spread([one["sigmas"] for one in exactness]),
            "time": geometric_mean(speed),
        },
    }


def of_stable(stable: Found) -> Measurements:
    """L3 and the exponents of L7, from the largest stable learning rates (widths, seeds, names of
    `STABLE`)."""
    fitted: dict[str, Array] = dict(zip(STABLE, slopes(*stable).T, strict=True))
    return {
        "L3": {
            **{largest_key(name): _mean(fitted[name]) for name in NAMES},
            "difference": _mean(fitted["init_b"] - fitted["init_a"]),
        },
        "L7": {largest_key(name): _mean(fitted[name]) for name in ("eva", "eva_whitened")},
    }


def of_ranks(stable: Mapping[tuple[str, Scale], Found]) -> Measurements:
    """L9, from the largest stable learning rates (ranks, seeds) of each case."""
    return {"L9": {rank_key(*case): _mean(slopes(*found)) for case, found in stable.items()}}


def of_first_step(found: Mapping[Scale, Found]) -> Measurements:
    """L10, from the largest learning rates (ranks, seeds) of each scale."""
    fitted = {scale: slopes(*values) for scale, values in found.items()}
    root = fitted["alpha/sqrt(r)"]
    return {
        "L10": {
            "s = alpha/sqrt(r)": _mean(root),
            "alpha/r minus alpha/sqrt(r)": _mean(fitted["alpha/r"] - root),
            "alpha/sqrt(r) minus constant": _mean(root - fitted["constant"]),
        }
    }


def of_losses(best: Mapping[str, Found]) -> Measurements:
    """L8, L8b and L8c, from the best learning rates (widths, seeds, `NAMES`) of each read-out."""
    readouts: tuple[Readout, ...] = ("mup", "standard")
    fitted = {
        readout: dict(zip(NAMES, slopes(*best[readout]).T, strict=True)) for readout in readouts
    }
    single = {
        best_key(name, readout): _mean(fitted[readout][name])
        for readout in readouts
        for name in NAMES
    }
    difference = {
        readout: _mean(fitted[readout]["init_b"] - fitted[readout]["init_a"])
        for readout in readouts
    }
    toy = best["residual"]
    ratio = toy.values[..., 0] - toy.values[..., 1]
    return {
        "L8": dict(single),
        "L8b": {
            **single,
            "difference, read-out of order 1/n": difference["mup"],
            "difference, read-out of order n^(-1/2)": difference["standard"],
        },
        "L8c": {
            "slope of the ratio": _mean(slopes(toy.widths, ratio)),
            "ratio": geometric_mean((2 ** ratio[-1]).tolist()),
        },
    }


def of_transfer(carried: Carried) -> Measurements:
    """L11."""
    near, far = BIG
    measured: dict[str, Measured | None] = {}
    for k, name in enumerate(NAMES):
        nats = {width: regrets(carried.losses[width][..., k]) for width in BIG}
        measured[octaves_key(name)] = _mean(octaves(carried, near, k)[0])
        for width, times in ((near, 8), (far, 16)):
            measured[regret_key(name, times)] = _mean(nats[width][0])
        for exponent, lost in zip(CARRIED[1:], nats[far][1:], strict=True):
            measured[wrong_key(name, exponent)] = _mean(lost - nats[far][0])
    return {"L11": measured}


def octaves(carried: Carried, width: int, k: int) -> Array:
    """How far the learning rates taken on by each exponent lie from the width's own best, (3,
    seeds), of the k-th name."""
    chosen = carried.chosen[width][..., k]
    return chosen[:-1] - chosen[-1]


def transfer_rows(carried: Carried) -> list[dict[str, Any]]:
    """A row for each initialization, big width and exponent: the regret with its interval."""
    rows = []
    for k, words in enumerate(NAMES.values()):
        for width in BIG:
            nats, away = regrets(carried.losses[width][..., k]), octaves(carried, width, k)
            for c, lost, distance in zip(CARRIED, nats, away, strict=True):
                regret = _mean(lost)
                rows.append(
                    {
                        "initialization": words,
                        "width": width,
                        "exponent": c,
                        "octaves away": _mean(distance).value,
                        "regret": regret.value,
                        "low": regret.low,
                        "high": regret.high,
                    }
                )
    return rows
