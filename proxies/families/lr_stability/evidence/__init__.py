"""From finished trials to the evidence of every check. Intervals of slopes are over seeds, a slope
for each seed."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.statistics import Tuned, geometric_mean, mean, spread, tuned
from proxies.families.lr_stability.claims import CLAIMS
from proxies.families.lr_stability.claims.checks import (
    GROWS,
    LARGEST,
    LOWER_ON,
    SLOPES,
    TOO_FAST,
    Slope,
    best_key,
    difference_key,
    octaves_key,
    rank_key,
    ratio_key,
    regret_key,
    wrong_key,
)
from proxies.families.lr_stability.claims.settings import NAMES, NETWORKS
from proxies.families.lr_stability.trials.plan import (
    CARRIED,
    FEATURES,
    Array,
    Carried,
    Found,
    Powers,
)
from proxies.instruments.slopes import regrets, slopes
from theory import lr_stability as theory
from theory.lr_stability import Readout, Scale

Measurements = dict[str, dict[str, Measured | None]]
Largest = Mapping[tuple[str, str], Found]  # by network and initialization, (widths, seeds)
BEST: dict[str, Readout] = {"L8": "mup", "L8d": "standard"}
RESAMPLES = 0  # of the generator that draws resamples of the seeds


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
    """L2: over the whole grid, as the sentence is about every pair."""
    rows = predictions(measured)
    off = lambda quantities: spread(
        [
            abs(row["measured"] - row["predicted"])
            for row in rows
            if row["measured"] is not None and row["quantity"] in quantities
        ],
        unit="slope, mean over seeds",
    )
    return {"L2": {"features": off(FEATURES), "output": off(("f",))}}


def of_limits(measured: Powers) -> Measurements:
    """L2b, L4, L5, L6 and the first step of L7."""
    found: Measurements = {
        id: {case.key: slope(measured, case) for case in cases} for id, cases in SLOPES.items()
    }
    found["L2b"][GROWS] = slope(measured, TOO_FAST)
    return found


def slope(measured: Powers, case: Slope) -> Measured:
    at = measured.names.index(case.name), measured.pairs.index(case.pair)
    return _mean(measured.slopes[case.quantity][:, 0 if case.first else 1, *at])


def _mean(values: Array) -> Measured:
    return mean(values.tolist())


def of_stable(stable: Largest) -> Measurements:
    """L3 and the exponents of L7."""
    found: Measurements = {
        id: {case.key: _mean(slopes(*stable[case.network, case.name])) for case in cases}
        for id, cases in LARGEST.items()
    }
    for network in NETWORKS:
        widest = [stable[network, name].values[-1] for name in ("init_a", "init_b")]
        found["L3"][ratio_key(network)] = _ratio(*widest)
    return found


def _ratio(first: Array, second: Array) -> Measured:
    """Of learning rates given as log2."""
    return geometric_mean((2 ** (first - second)).tolist())


def of_ranks(stable: Mapping[tuple[str, Scale], Found]) -> Measurements:
    """L9, from the largest stable learning rates (ranks, seeds) of each case."""
    return {"L9": {rank_key(*case): _mean(slopes(*found)) for case, found in stable.items()}}


def of_first_step(found: Mapping[str, Found]) -> Measurements:
    """L10, from the largest learning rates (ranks, seeds) of each network."""
    return {"L10": {words: _mean(slopes(*found[key])) for key, words in NETWORKS.items()}}


def of_losses(best: Mapping[str, Found]) -> Measurements:
    """L8, L8b and L8c, from the best learning rates (widths, seeds, `NAMES`) of each read-out."""
    fitted = {
        readout: dict(zip(NAMES, slopes(*best[readout]).T, strict=True))
        for readout in BEST.values()
    }
    of_a, of_b = np.moveaxis(best["residual"].values, 2, 0)
    return {
        **{
            id: {best_key(name, readout): _mean(fitted[readout][name]) for name in NAMES}
            for id, readout in BEST.items()
        },
        "L8b": {
            difference_key(readout): _mean(fitted[readout]["init_b"] - fitted[readout]["init_a"])
            for readout in BEST.values()
        },
        "L8c": {
            "slope of the ratio": _mean(slopes(best["residual"].widths, of_a - of_b)),
            "ratio": _ratio(of_a[-1], of_b[-1]),
        },
    }


def of_average(losses: Mapping[str, Found]) -> Measurements:
    """L14, from the losses (widths, seeds, `NAMES`, learning rates) at the widest width."""
    found: dict[str, Measured | None] = {}
    for key, words in LOWER_ON.items():
        of_a, of_b = (curves.T for curves in np.moveaxis(losses[key].values[-1], 1, 0))
        rng = np.random.default_rng(RESAMPLES)
        found[words] = tuned(Tuned(of_a, of_a), Tuned(of_b, of_b), rng, by="ratio")
    return {"L14": found}


def of_transfer(carried: Carried) -> Measurements:
    """L11."""
    measured: dict[str, Measured | None] = {}
    for k, name in enumerate(NAMES):
        nats, away = regrets(carried.losses[..., k]), octaves(carried, k)
        measured[octaves_key(name)] = _mean(away[0])
        measured[regret_key(name)] = _mean(nats[0])
        for exponent, lost in zip(CARRIED[1:], nats[1:], strict=True):
            measured[wrong_key(name, exponent)] = _mean(lost - nats[0])
    return {"L11": measured}


def octaves(carried: Carried, k: int) -> Array:
    """How far the learning rates taken on by each exponent lie from the width's own best, (3,
    seeds), of the k-th name."""
    chosen = carried.chosen[..., k]
    return chosen[:-1] - chosen[-1]


def transfer_rows(carried: Carried) -> list[dict[str, Any]]:
    """A row for each initialization and exponent: the regret with its interval."""
    rows = []
    for k, words in enumerate(NAMES.values()):
        for c, lost, distance in zip(
            CARRIED, regrets(carried.losses[..., k]), octaves(carried, k), strict=True
        ):
            regret = _mean(lost)
            rows.append(
                {
                    "initialization": words,
                    "exponent": c,
                    "octaves away": _mean(distance).value,
                    "regret": regret.value,
                    "low": regret.low,
                    "high": regret.high,
                }
            )
    return rows
