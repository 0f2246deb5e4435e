"""Learning rates of LoRA in wide networks (arXiv:2406.08447, 2402.12354, 2312.03732), measured
against the calculus.

One adapted layer of a network whose frozen weight is never formed; all rates, starts and seeds of a
width at once.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.lr_stability import evidence
from proxies.families.lr_stability import tables as show
from proxies.families.lr_stability.claims import (
    BIG,
    CLAIMS,
    LIMIT_A,
    LIMIT_B,
    LORA_PLUS,
    NAMES,
    PAIRS,
    SCALES,
)
from proxies.families.lr_stability.claims.coordinates import COORDINATE_CLAIMS
from proxies.families.lr_stability.evidence import Measurements, coordinates
from proxies.families.lr_stability.trials import laws, sweep
from proxies.families.lr_stability.trials.initializations import STARTS
from proxies.families.lr_stability.trials.plan import for_seeds
from proxies.instruments import architectures
from theory.lr_stability.dynamics import Scale

RANK, SAMPLES = 4, 32
POWER_WIDTHS, POWER_STEPS = (256, 1024, 4096, 16384), 6
RANKS, RANK_WIDTH, RANK_STEPS = (2, 4, 8, 16, 32, 64), 4096, 8
# at small ones A_0^T A_0 is far from its mean, which is what scales as r
FIRST_RANKS = (8, 16, 32, 64, 128)
LLAMA_WIDTHS, LLAMA_SEEDS = (64, 128, 256, 512), 4
STABLE = ("init_a", "init_b", "eva", "eva_whitened")
# log2 of the rates, half an octave apart, samples and steps of the sweeps of the loss; widths as
# exponents of 2
LOSSES = {
    "mup": {"rates": (-11.5, -1.0), "samples": 32, "steps": 40, "widths": (8, 14)},
    "standard": {"rates": (-15.0, -3.0), "samples": 32, "steps": 40, "widths": (8, 13)},
    "residual": {"rates": (-15.5, -1.5), "samples": 64, "steps": 60, "widths": (7, 12)},
}


@dataclass(frozen=True)
class Config:
    seeds: int = 7
    """tasks, with a network of every width each; what varies most between them takes two or four
    times as many"""
    first: int = 3000
    """the first seed"""
    sweeps: bool = True
    """sweep rates (L3, L7 to L11); without, only exponents at given rates and the laws are
    measured"""
    transformer: bool = field(default_factory=architectures.available)
    """measure the exponents inside a small Llama too (L13), which needs the extra llm"""
    full: bool = False
    """widths to 2^15 for the largest stable rate, to 1024 in the Llama, and twice as many seeds"""

    def __post_init__(self) -> None:
        if self.seeds < 5:
            raise ValueError(f"--seeds must be at least 5 for an interval, got {self.seeds}")
        if self.first < 0:
            raise ValueError(f"--first must not be negative, got {self.first}")
        if self.transformer and not architectures.available():
            raise ValueError(
                "L13 needs transformers: pip install 'loralab[llm]', or pass --no-transformer."
            )

    def numbers(self, times: int = 1) -> list[int]:
        return [self.first + i for i in range(self.seeds * times * (2 if self.full else 1))]


def _rates(readout: str) -> list[float]:
    low, high = LOSSES[readout]["rates"]
    return np.arange(low, high + 0.25, 0.5).tolist()


def _powers(
    memo: Memo, names: list[str], pairs: list[tuple[float, float]], seeds: list[int]
) -> evidence.Powers:
    fixed = {
        "names": names,
        "exponents": pairs,
        "steps": POWER_STEPS,
        "samples": SAMPLES,
        "rank": RANK,
    }
    found = for_seeds(
        memo, sweep.powers, {width: {"width": width, **fixed} for width in POWER_WIDTHS}, seeds
    )
    return evidence.powers(found, POWER_WIDTHS, names, pairs, POWER_STEPS)


def _thresholds(
    config: Config, memo: Memo
) -> tuple[evidence.Found, dict[tuple[str, Scale], evidence.Found]]:
    """The largest stable rates by width, and by rank for each start and scale."""
    widths = [2**k for k in range(9, 16 if config.full else 15)]
    fixed = {"samples": SAMPLES, "threshold": 1.0}
    cells: dict[Any, dict[str, Any]] = {
        width: {
            "width": width,
            "names": list(STABLE),
            "steps": 10,
            "rank": RANK,
            "scale": 1.0,
            **fixed,
        }
        for width in widths
    }
    cases: list[tuple[str, Scale]] = [
        *(("init_a", scale) for scale in SCALES),
        ("init_b", "constant"),
    ]
    for (name, scale), rank in itertools.product(cases, RANKS):
        shape = {"width": RANK_WIDTH, "rank": rank, "scale": rank ** SCALES[scale]}
        cells[name, scale, rank] = {"names": [name], "steps": RANK_STEPS, **shape, **fixed}
    wide = {key: cell for key, cell in cells.items() if key in widths}
    found = for_seeds(memo, sweep.thresholds, wide, config.numbers(2))
    found |= for_seeds(
        memo,
        sweep.thresholds,
        {key: cell for key, cell in cells.items() if key not in wide},
        config.numbers(),
    )
    by_rank = {
        case: evidence.stacked(found, RANKS, lambda rank, case=case: (*case, rank))
        for case in cases
    }
    return evidence.stacked(found, widths), {
        case: f._replace(values=f.values[..., 0]) for case, f in by_rank.items()
    }


def _losses(config: Config, memo: Memo) -> dict[str, evidence.Found]:
    """Losses (widths, seeds, names of Init[A] and Init[B], rates) for every read-out."""
    widths = {
        readout: [2**k for k in range(how["widths"][0], how["widths"][1] + 1)]
        for readout, how in LOSSES.items()
    }

    def cells(readouts: Sequence[str]) -> dict[Any, dict[str, Any]]:
        return {
            (readout, width): _loss(readout, width, list(NAMES), _rates(readout))
            for readout in readouts
            for width in widths[readout]
        }

    found = for_seeds(memo, sweep.losses, cells(("mup",)), config.numbers())
    found |= for_seeds(memo, sweep.losses, cells(("standard", "residual")), config.numbers(2))
    return {
        readout: evidence.stacked(
            found, widths[readout], lambda width, readout=readout: (readout, width)
        )
        for readout in LOSSES
    }


def _loss(readout: str, width: int, names: list[str], rates: list[float]) -> dict[str, Any]:
    how = LOSSES[readout]
    return {
        "width": width,
        "names": names,
        "log2_rates": rates,
        "readout": readout,
        "steps": how["steps"],
        "samples": how["samples"],
        "rank": RANK,
    }


def _carried(
    config: Config, memo: Memo, best: evidence.Found
) -> tuple[dict[int, Any], dict[int, Any]]:
    """The rates of `evidence.carried` at the big widths, and the losses there."""
    chosen = {width: evidence.carried(best, width) for width in BIG}
    seeds = config.numbers()
    keys = [
        (width, i, k)
        for width in reversed(BIG)
        for i in range(len(seeds))
        for k in range(len(NAMES))
    ]
    cells = [
        {
            **_loss("mup", width, [list(NAMES)[k]], chosen[width][:, i, k].tolist()),
            "seeds": [seeds[i]],
        }
        for width, i, k in keys
    ]
    losses = {width: np.empty_like(chosen[width]) for width in BIG}
    for (width, i, k), ((curve,),) in zip(keys, memo.map(sweep.losses, cells), strict=True):
        losses[width][:, i, k] = sweep.numbers(curve)
    return chosen, losses


def _inside(config: Config, memo: Memo) -> dict[str, np.ndarray]:
    """The slopes inside a transformer; nothing where it is left out."""
    widths = (*LLAMA_WIDTHS, 1024) if config.full else LLAMA_WIDTHS
    return (
        coordinates.collect(memo, widths, config.numbers()[:LLAMA_SEEDS])
        if config.transformer
        else {}
    )


def measure(config: Config, memo: Memo) -> Evidence:
    speed = memo(laws.speed, width=1024, pairs=7)  # first, while nothing else of ours runs
    exact = memo.map(laws.exactness, [{"seed": seed} for seed in config.numbers()])
    measured: Measurements = dict(evidence.UNMEASURED)
    measured |= evidence.of_laws(memo(laws.theorems), exact, speed)
    grid = _powers(memo, list(STARTS), PAIRS, config.numbers())
    limits = _powers(memo, [*NAMES, "eva"], [LIMIT_A, LIMIT_B, LORA_PLUS], config.numbers(4))
    measured |= evidence.of_grid(grid) | evidence.of_limits(limits)
    first_step = measured["L7"]
    measured["L7"] = [None, None, *first_step]
    data, tables = show.of_grid(grid)
    inside = _inside(config, memo)
    measured |= coordinates.evidence(inside)
    if inside:
        tables |= {
            "Inside a Llama: slopes after the last step (exponents)": coordinates.table(inside)
        }
    if config.sweeps:
        stable, by_rank = _thresholds(config, memo)
        exponents = evidence.of_thresholds(stable, STABLE, by_rank)
        measured |= exponents | {"L7": [*exponents["L7"], *first_step]}
        fixed = {"width": RANK_WIDTH, "ranks": list(FIRST_RANKS), "samples": SAMPLES}
        cells = {scale: {"power": power, **fixed} for scale, power in SCALES.items()}
        measured |= evidence.of_first_step(
            FIRST_RANKS, for_seeds(memo, sweep.first_step, cells, config.numbers(4))
        )
        losses = _losses(config, memo)
        best = {
            readout: evidence.best_rates(_rates(readout), found)
            for readout, found in losses.items()
        }
        level = {**best, "mup": evidence.up_to(best["mup"], BIG[0])}
        measured |= evidence.of_losses(level)
        transfer, rows = evidence.of_transfer(*_carried(config, memo, best["mup"]))
        measured |= transfer
        more = show.of_sweeps(stable, STABLE, level, by_rank, rows)
        data, tables = data | more[0], tables | more[1]
    return Evidence(measured, data, tables)


QUICK = Config(seeds=5, sweeps=False, transformer=False)
PROXY = Proxy("lr_stability", Config, CLAIMS + COORDINATE_CLAIMS, measure, quick=QUICK)

if __name__ == "__main__":
    PROXY.main()
