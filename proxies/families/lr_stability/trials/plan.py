"""Every grid of trials of the family, several seeds together where the width is small, the slowest
trials first."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from loralab.memo import Memo
from proxies.families.lr_stability.claims.settings import (
    BIG,
    NAMES,
    POWER_WIDTHS,
    SCALES,
    SMALL,
    STABLE_WIDTHS,
)
from proxies.families.lr_stability.trials import sweep
from proxies.families.lr_stability.trials.initializations import INITIALIZATIONS
from proxies.instruments.slopes import best_rate, slopes
from theory.lr_stability import Scale

Array = NDArray[np.float64]
Pair = tuple[float, float]
K = TypeVar("K", bound=Hashable)

# width times the number of seeds that share a trial, unless the width alone is above it
TOGETHER = 2**13
RANK, SAMPLES = 4, 32
GRID = tuple(INITIALIZATIONS)  # of the exponents at every pair of learning rates
POWER_STEPS = 6
FEATURES = ("Z_A", "Z_B", "delta1", "delta2", "delta3")
RANKS, RANK_WIDTH, RANK_STEPS = (2, 4, 8, 16, 32, 64), 4096, 8
# at small ones A_0^T A_0 is far from its mean, which is what scales as r
FIRST_RANKS = (64, 128, 256, 512)
# by network, which largest stable learning rates are sought: those of L3, and those of L7
STABLE = {"mup": tuple(NAMES), "residual": tuple(NAMES)}
STABLE_EVA: dict[str, tuple[str, ...]] = {"mup": ("eva", "eva_whitened"), "residual": ("eva",)}
RANK_CASES: tuple[tuple[str, Scale], ...] = (
    *(("init_a", scale) for scale in SCALES),
    ("init_b", "constant"),
)
# exponents by which a learning rate is taken to another width; the theory's first
CARRIED = -0.5, 0.0, -1.0


class Loss(NamedTuple):
    """A sweep of the loss: the ends of log2 of the learning rates, samples, steps, and the ends of
    log2 of the widths."""

    log2_rates: Pair
    samples: int
    steps: int
    log2_widths: tuple[int, int]

    @property
    def rates(self) -> list[float]:
        """log2 of the learning rates, half an octave apart."""
        low, high = self.log2_rates
        return np.arange(low, high + sweep.GRID_STEP / 2, sweep.GRID_STEP).tolist()

    @property
    def widths(self) -> list[int]:
        low, high = self.log2_widths
        return [2**k for k in range(low, high + 1)]


LOSSES = {
    "mup": Loss((-11.5, -1.0), 32, 40, (8, 13)),
    "standard": Loss((-15.0, -3.0), 32, 40, (8, 13)),
    "residual": Loss((-15.5, -1.5), 64, 60, (7, 12)),
}


class Found(NamedTuple):
    """Arrays with the seeds' axis second, behind the widths (or, for `ranks`, the ranks)."""

    widths: Sequence[int]
    values: Array

    def at(self, width: int) -> Array:
        return self.values[list(self.widths).index(width)]


class Powers(NamedTuple):
    """Where the learning rates are powers of the width: sizes (widths, seeds, 2, names, pairs) of
    every quantity after the first and the last step, and their slopes in the width.
    """

    names: Sequence[str]
    pairs: Sequence[Pair]
    steps: tuple[int, int]
    sizes: dict[str, Array]
    slopes: dict[str, Array]


class Carried(NamedTuple):
    """At the big width, log2 of the learning rates (4, seeds, names): those of the small widths
    taken on by `CARRIED`, and last its own best; and the losses there."""

    chosen: Array
    losses: Array


def for_seeds(
    memo: Memo,
    trial: Callable[..., list[Any]],
    wanted: Mapping[K, dict[str, Any]],
    seeds: list[int],
) -> dict[K, list[Any]]:
    """The results of a trial, one entry a seed, for each of the wanted arguments.

    Args:
        memo: keeps the results.
        trial: a function of some seeds, and of other arguments.
        wanted: by any key, the other arguments, among them a width.
        seeds: of each.
    """
    parts = [
        (key, {**arguments, "seeds": seeds[i : i + some]})
        for key, arguments in sorted(wanted.items(), key=lambda item: -item[1]["width"])
        for some in [max(1, TOGETHER // arguments["width"])]
        for i in range(0, len(seeds), some)
    ]
    found: dict[K, list[Any]] = {key: [] for key in wanted}
    results = memo.map(trial, [arguments for _, arguments in parts])
    for (key, _), result in zip(parts, results, strict=True):
        found[key] += result
    return found


def powers(memo: Memo, names: Sequence[str], pairs: Sequence[Pair], seeds: list[int]) -> Powers:
    """Every initialization at every pair of powers of the learning rates."""
    fixed = {"names": list(names), "exponents": list(pairs), "steps": POWER_STEPS}
    fixed |= {"samples": SAMPLES, "rank": RANK}
    wanted = {width: {"width": width, **fixed} for width in POWER_WIDTHS}
    return fitted(for_seeds(memo, sweep.powers, wanted, seeds), POWER_WIDTHS, names, pairs)


def fitted(
    found: Mapping[int, Any], widths: Sequence[int], names: Sequence[str], pairs: Sequence[Pair]
) -> Powers:
    """The results of `sweep.powers` by width, with their slopes."""
    sizes = {
        quantity: np.stack(
            [sweep.numbers([seed[quantity] for seed in found[width]]) for width in widths]
        )
        for quantity in (*FEATURES, "f")
    }
    with np.errstate(divide="ignore", invalid="ignore"):  # what is exactly zero has no slope
        exponents = {quantity: slopes(widths, np.log2(size)) for quantity, size in sizes.items()}
    return Powers(names, pairs, (1, POWER_STEPS), sizes, exponents)


def stable(
    memo: Memo,
    wanted: Mapping[str, Sequence[str]],
    seeds: list[int],
    widths: Sequence[int] = STABLE_WIDTHS,
) -> dict[tuple[str, str], Found]:
    """log2 of the largest stable learning rates (widths, seeds) by network and initialization."""
    found: dict[tuple[str, str], Found] = {}
    for network, names in wanted.items():
        shape = {"network": network, "names": list(names), "steps": 10, "rank": RANK, "scale": 1.0}
        both = _thresholds(memo, {width: {"width": width, **shape} for width in widths}, seeds)
        found |= {
            (network, name): Found(both.widths, both.values[..., k]) for k, name in enumerate(names)
        }
    return found


def stable_by_rank(memo: Memo, seeds: list[int]) -> dict[tuple[str, Scale], Found]:
    """log2 of the largest stable learning rates (ranks, seeds) of each of `RANK_CASES`."""
    wanted = {
        (name, scale, rank): {
            "width": RANK_WIDTH,
            "names": [name],
            "steps": RANK_STEPS,
            "rank": rank,
            "scale": rank ** SCALES[scale],
        }
        for name, scale in RANK_CASES
        for rank in RANKS
    }
    found = _thresholds(memo, wanted, seeds).values[..., 0]
    by_case = found.reshape(len(RANK_CASES), len(RANKS), -1)
    return {case: Found(RANKS, values) for case, values in zip(RANK_CASES, by_case, strict=True)}


def _thresholds(memo: Memo, wanted: dict[Any, dict[str, Any]], seeds: list[int]) -> Found:
    fixed = {"samples": SAMPLES, "threshold": 1.0}
    arguments = {key: {**one, **fixed} for key, one in wanted.items()}
    return _stacked(for_seeds(memo, sweep.thresholds, arguments, seeds))


def _stacked(found: Mapping[Any, Sequence[Any]]) -> Found:
    return Found(list(found), np.stack([sweep.numbers(values) for values in found.values()]))


def first_step(memo: Memo, network: str, seeds: list[int]) -> Found:
    """log2 of the largest learning rates (ranks, seeds) of the first step of SGD at s =
    1/sqrt(r)."""
    fixed = {"width": RANK_WIDTH, "ranks": list(FIRST_RANKS), "samples": SAMPLES}
    wanted = {network: {"power": SCALES["alpha/sqrt(r)"], "network": network, **fixed}}
    found = for_seeds(memo, sweep.first_step, wanted, seeds)[network]
    return Found(FIRST_RANKS, sweep.numbers(found).T)


def losses(memo: Memo, readout: str, seeds: list[int]) -> Found:
    """Losses (widths, seeds, `NAMES`, learning rates) over the shifted grids of a read-out."""
    grid = LOSSES[readout]
    wanted = {
        width: {**_loss(readout, width, list(NAMES), grid.rates), "shifted": True}
        for width in grid.widths
    }
    return _stacked(for_seeds(memo, sweep.losses, wanted, seeds))


def best(readout: str, losses: Found, seeds: list[int]) -> Found:
    """log2 of the learning rates of the least loss (widths, seeds, `NAMES`) of a read-out."""
    smallest = lambda curve: best_rate(LOSSES[readout].rates, curve)
    shifts = [[[sweep.grid_shift(seed, width)] for seed in seeds] for width in losses.widths]
    return Found(losses.widths, np.apply_along_axis(smallest, 3, losses.values) + np.array(shifts))


def _loss(readout: str, width: int, names: list[str], rates: list[float]) -> dict[str, Any]:
    grid = LOSSES[readout]
    return {
        "width": width,
        "names": names,
        "log2_rates": rates,
        "readout": readout,
        "steps": grid.steps,
        "samples": grid.samples,
        "rank": RANK,
    }


def taken_on(best: Found, width: int) -> Array:
    """log2 of the learning rates of `Carried` at a width, (4, seeds, names)."""
    x = np.log2(SMALL)[:, None, None]
    chosen = np.stack([best.at(small) for small in SMALL])
    taken = [(chosen - c * x).mean(0) + c * np.log2(width) for c in CARRIED]
    return np.stack([*taken, best.at(width)])


def carried(memo: Memo, best: Found, seeds: list[int]) -> Carried:
    """The losses at the big width, at learning rates taken on from the small ones."""
    chosen = taken_on(best, BIG)
    keys = [(i, k) for i in range(len(seeds)) for k in range(len(NAMES))]
    points = [
        {**_loss("mup", BIG, [list(NAMES)[k]], chosen[:, i, k].tolist()), "seeds": [seeds[i]]}
        for i, k in keys
    ]
    losses = np.empty_like(chosen)
    for (i, k), ((curve,),) in zip(keys, memo.map(sweep.losses, points), strict=True):
        losses[:, i, k] = sweep.numbers(curve)
    return Carried(chosen, losses)
