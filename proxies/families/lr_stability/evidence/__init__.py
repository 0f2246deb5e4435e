"""From finished cells to the evidence of every check. Intervals of slopes are over seeds, a slope
for each seed."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loralab.claims import Measured
from loralab.statistics import geometric_mean, mean, spread
from proxies.families.lr_stability.claims import (
    BIG,
    CLAIMS,
    LIMIT_A,
    LIMIT_B,
    LORA_PLUS,
    NAMES,
    SCALES,
    SMALL,
)
from proxies.families.lr_stability.trials.sweep import numbers
from proxies.instruments.slopes import best_rate, regrets, slopes
from theory import lr_stability as theory
from theory.lr_stability.dynamics import Scale

Array = NDArray[np.float64]
Measurements = dict[str, Sequence[Measured | None]]
Pair = tuple[float, float]
FEATURES = ("Z_A", "Z_B", "delta1", "delta2", "delta3")
CARRIED = -0.5, 0.0, -1.0  # exponents by which a rate is taken to another width; the theory's first
CLOSE = 0.1  # a slope counts as foretold
UNMEASURED: Measurements = {claim.id: [None] * len(claim.checks) for claim in CLAIMS}


class Found(NamedTuple):
    """Arrays with the seeds' axis second, behind the widths (or, for `rank`, the ranks)."""

    widths: Sequence[int]
    values: Array


def stacked(
    found: Mapping[Any, Sequence[Any]], widths: Sequence[int], key: Any = lambda width: width
) -> Found:
    return Found(widths, np.stack([numbers(found[key(width)]) for width in widths]))


class Powers(NamedTuple):
    """Where the rates are powers of the width: sizes (widths, seeds, 2, names, pairs) of every
    quantity after the first and the last step, and their slopes in the width.
    """

    names: Sequence[str]
    pairs: Sequence[Pair]
    steps: tuple[int, int]
    sizes: dict[str, Array]
    slopes: dict[str, Array]

    def of(self, quantity: str, name: str, pair: Pair, first: bool = False) -> Measured:
        return mean(
            self.slopes[quantity][
                :, int(not first), self.names.index(name), self.pairs.index(pair)
            ].tolist()
        )


def powers(
    found: Mapping[int, Any],
    widths: Sequence[int],
    names: Sequence[str],
    pairs: Sequence[Pair],
    steps: int,
) -> Powers:
    sizes = {
        quantity: np.stack([numbers([seed[quantity] for seed in found[width]]) for width in widths])
        for quantity in (*FEATURES, "f")
    }
    with np.errstate(divide="ignore", invalid="ignore"):  # what is exactly zero has no slope
        fitted = {quantity: slopes(widths, np.log2(size)) for quantity, size in sizes.items()}
    return Powers(names, pairs, (1, steps), sizes, fitted)


def foretold(measured: Powers) -> list[dict[str, Any]]:
    """A row for each start, pair of rates, quantity and number of steps: the calculus' slope, the
    mean over seeds, and the largest size; the slopes are None where the calculus says that the
    quantity is zero.
    """
    rows = []
    for at, steps in enumerate(measured.steps):
        for k, name in enumerate(measured.names):
            orders = theory.exponents(name, steps=steps)
            for quantity, size in measured.sizes.items():
                for p, pair in enumerate(measured.pairs):
                    predicted = float(getattr(orders, quantity)(*map(Fraction, pair)))
                    zero = not np.isfinite(predicted)
                    row = {
                        "start": name,
                        "steps": steps,
                        "quantity": quantity,
                        "c_A": pair[0],
                        "c_B": pair[1],
                    }
                    row["predicted"] = None if zero else predicted
                    row["measured"] = (
                        None if zero else float(measured.slopes[quantity][:, at, k, p].mean())
                    )
                    rows.append(row | {"largest": float(size[:, :, at, k, p].max())})
    return rows


def of_grid(measured: Powers) -> Measurements:
    """L2."""
    rows = foretold(measured)
    off = lambda quantities: [
        abs(r["measured"] - r["predicted"])
        for r in rows
        if r["measured"] is not None and r["quantity"] in quantities
    ]
    features, output = off(FEATURES), off(("f",))
    share = exact(float(np.mean(np.array(features) <= CLOSE)))
    alive = sum(r["largest"] > 0 for r in rows if r["measured"] is None)
    return {
        "L2": [
            spread(features),
            share,
            exact(float(np.mean(features))),
            spread(output),
            exact(alive),
        ]
    }


def of_limits(measured: Powers) -> Measurements:
    """L2b, L4, L5, L6 and the first step of L7."""
    of = measured.of
    return {
        "L2b": [of("Z_B", name, LIMIT_A) for name in ("init_b", "init_a")],
        "L4": [of(q, "init_a", LIMIT_A) for q in ("Z_A", "Z_B")]
        + [of(q, "init_b", LIMIT_B) for q in ("Z_A", "Z_B")],
        "L5": [of(quantity, "init_b", LIMIT_B) for quantity in ("delta1", "delta2", "delta3")],
        "L6": [
            *(of(q, name, LORA_PLUS) for name in NAMES for q in ("delta1", "delta2", "Z_A")),
            of("delta2", "init_a", LIMIT_B),
            of("Z_A", "init_a", LIMIT_A),
        ],
        "L7": [of("Z_B", name, LIMIT_A, first=True) for name in ("eva", "init_a")],
    }


def exact(value: float) -> Measured:
    return Measured(float(value), float(value), float(value))


def of_laws(
    theorems: dict[str, Any], exactness: Sequence[dict[str, float]], speed: Sequence[float]
) -> Measurements:
    """L1 and L12."""
    return {
        "L1": [
            exact(theorems["wrong"]),
            *(exact(theorems["largest"][name]) for name in NAMES),
            exact(theorems["unique"]),
            exact(theorems["cycle"]),
        ],
        "L12": [
            *(spread([one[key] for one in exactness]) for key in ("difference", "sigmas")),
            geometric_mean(speed),
        ],
    }


def of_thresholds(
    stable: Found, names: Sequence[str], ranks: Mapping[tuple[str, Scale], Found]
) -> Measurements:
    """L3, the exponents of L7, and L9. stable: (widths, seeds, names); ranks[start, scale]: (ranks,
    seeds)."""
    fitted = dict(zip(names, slopes(*stable).T, strict=True))
    by_rank = [ranks["init_a", scale] for scale in SCALES] + [ranks["init_b", "constant"]]
    return {
        "L3": [
            *(mean(fitted[name].tolist()) for name in NAMES),
            mean((fitted["init_b"] - fitted["init_a"]).tolist()),
        ],
        "L7": [mean(fitted[name].tolist()) for name in ("eva", "eva_whitened")],
        "L9": [mean(slopes(*found).tolist()) for found in by_rank],
    }


def of_first_step(ranks: Sequence[int], found: Mapping[str, Any]) -> Measurements:
    """L10, from the log2 rates (seeds, ranks) of each scale."""
    constant, root, inverse = (slopes(ranks, numbers(found[scale]).T) for scale in SCALES)
    return {"L10": [mean(values.tolist()) for values in (root, inverse - root, root - constant)]}


def best_rates(log2_rates: Sequence[float], losses: Found) -> Found:
    """log2 of the best rate (widths, seeds, names) from losses (widths, seeds, names, rates)."""
    return Found(
        losses.widths,
        np.apply_along_axis(lambda curve: best_rate(log2_rates, curve), 3, losses.values),
    )


def of_losses(best: Mapping[str, Found]) -> Measurements:
    """L8, L8b and L8c, from the best rates (widths, seeds, names of L3) of each read-out."""
    fitted = {readout: slopes(*found) for readout, found in best.items()}
    single = [
        mean(fitted[readout][:, k].tolist()) for readout in ("mup", "standard") for k in range(2)
    ]
    apart = [
        mean((fitted[readout][:, 1] - fitted[readout][:, 0]).tolist())
        for readout in ("mup", "standard")
    ]
    toy = best["residual"]
    ratio = toy.values[..., 0] - toy.values[..., 1]
    return {
        "L8": single,
        "L8b": [*single[:2], apart[0], *single[2:], apart[1]],
        "L8c": [
            mean(slopes(toy.widths, ratio).tolist()),
            geometric_mean((2 ** ratio[-1]).tolist()),
        ],
    }


def carried(best: Found, width: int) -> Array:
    """log2 rates at a width: those of the small ones by CARRIED, and last its own best; (4, seeds,
    names)."""
    chosen = best.values[[list(best.widths).index(small) for small in SMALL]]
    x = np.log2(SMALL)[:, None, None]
    taken = [(chosen - c * x).mean(0) + c * np.log2(width) for c in CARRIED]
    return np.stack([*taken, best.values[list(best.widths).index(width)]])


def of_transfer(
    chosen: Mapping[int, Array], losses: Mapping[int, Array]
) -> tuple[Measurements, list[dict[str, Any]]]:
    """L11, and its rows, from the rates of `carried` and the losses there at each width."""
    rows, measured = [], []
    for k, words in enumerate(NAMES.values()):
        nats = {width: regrets(losses[width][..., k]) for width in BIG}
        octaves = {width: chosen[width][:-1, :, k] - chosen[width][-1, :, k] for width in BIG}
        for width in BIG:
            for c, lost, away in zip(CARRIED, nats[width], octaves[width], strict=True):
                found, distance = mean(lost.tolist()), mean(away.tolist())
                row = {
                    "start": words,
                    "width": width,
                    "exponent": c,
                    "octaves away": distance.value,
                }
                rows.append(row | {"regret": found.value, "low": found.low, "high": found.high})
        right, *wrong = nats[BIG[1]]
        measured += [
            mean(octaves[BIG[0]][0].tolist()),
            *(mean(nats[width][0].tolist()) for width in BIG),
        ]
        measured += [mean((lost - right).tolist()) for lost in wrong]
    return {"L11": measured}, rows


def up_to(found: Found, width: int) -> Found:
    """The part of it at widths up to this one."""
    keep = [i for i, size in enumerate(found.widths) if size <= width]
    return Found([found.widths[i] for i in keep], found.values[keep])
