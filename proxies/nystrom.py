"""Nyström starts (NyGD, NoRA; arXiv:2410.18965) measured against their exact laws.

Matrix factorisation in float64 with planted spectra: A = U S V^T has singular values from 1 down to
1/condition.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from loralab.statistics import geometric_mean, mean, proportion, spread
from proxies.families.nystrom.claims import ALIGNMENTS, CLAIMS, SIX
from proxies.families.nystrom.trials import adaptation, competitors, laws, limits
from proxies.families.nystrom.trials.initialization import ACCURACY, EPS
from theory.nystrom import asymmetric, symmetric

CONDITIONS = (1e1, 1e2, 1e3, 1e4, 1e5, 1e6)
SCALES = (1e-6, 1e-4, 1e-2, 1e-1, 1e1, 1e2, 1e4, 1e6)  # xi of the sketch, beside 1
LEAKS = (1e-1, 1e-3, 1e-6, 1e-9)
RANDOM_RANKS = (1, 2, 4)
BATCHES = 4  # of random starts, so that they run side by side
Records = list[dict[str, Any]]
Measurements = dict[str, Sequence[Measured | None]]
STARTS = ("random", "weight", "gradient")


@dataclass(frozen=True)
class Config:
    rows: int = 60
    """rows of the target A, and of the symmetric target"""
    columns: int = 50
    """columns of A"""
    rank: int = 6
    """rank of A; over-parameterised runs use twice as much"""
    seeds: int = 10
    """independent problems per setting, seeded 1000, 1001, ..."""
    steps: int = 400
    """a run that has not converged by then counts as never"""
    draws: int = 1000
    """random starts per rank for the frequency of failure"""
    peft: bool = True
    """measure PEFT's implementations too (N14), which needs the extra llm"""
    timing: bool = True
    """judge the times of N13, which need a machine that is not overrun"""

    def __post_init__(self) -> None:
        smallest = min(self.rows, self.columns)
        if not 2 <= self.rank <= smallest // 2:
            raise ValueError(
                f"--rank must be from 2 to half of min(--rows, --columns) = {smallest}, because "
                "twice the rank is run "
                f"too; got {self.rank}."
            )
        if self.seeds < 3:
            raise ValueError(f"--seeds must be at least 3 for an interval, got {self.seeds}.")
        if self.steps < 100:
            raise ValueError(
                "--steps must be at least 100, as the linear rates need that many; got "
                f"{self.steps}."
            )
        if self.draws < 800:
            raise ValueError(
                f"--draws must be at least 800 to tell one half from 0.4 and 0.6, got {self.draws}."
            )


def _map(memo: Memo, cell: Callable[..., dict[str, Any]], **axes: Sequence[Any]) -> Records:
    """The cell at every point of a grid: its arguments and its results in one record."""
    points = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    return [
        {**point, **result} for point, result in zip(points, memo.map(cell, points), strict=True)
    ]


def _pick(records: Records, name: str, **where: Any) -> list[Any]:
    """One column of the records that match."""
    return [
        record[name]
        for record in records
        if all(record[key] == value for key, value in where.items())
    ]


def _middle(values: Sequence[float | None]) -> float | None:
    """The median, counting None as later than everything; None where that is the median."""
    median = float(np.median([np.inf if value is None else value for value in values]))
    return median if np.isfinite(median) else None


def _collect(config: Config, memo: Memo) -> dict[str, Records]:
    """Run every cell. The two that are timed, or import much, come first and alone."""
    seeds = [1000 + i for i in range(config.seeds)]
    # What varies by a tenth from draw to draw, where the laws do not vary at all, is drawn four
    # times as often.
    many = [1000 + i for i in range(4 * config.seeds)]
    square = {"rows": [config.rows], "rank": [config.rank]}
    shape = {**square, "columns": [config.columns]}
    grid = {**square, "condition": CONDITIONS, "seed": seeds}
    return {
        "cost": _map(
            memo, adaptation.factorisation_cost, size=[1024], rank=[16], seed=[1000], repeats=[9]
        ),
        "released": _map(memo, adaptation.released_implementations, seeds=[seeds[:3]])
        if config.peft
        else [],
        "scalar": _map(memo, laws.scalar_law, **grid, columns=[config.columns]),
        "polar": _map(memo, laws.polar_law, **grid),
        "newton": _map(
            memo, laws.symmetric_steps, **square, condition=CONDITIONS, xi=[1.0], seed=many
        ),
        "scales": _map(
            memo, laws.symmetric_steps, **square, condition=[1e3], xi=SCALES, seed=seeds
        ),
        "orders": _map(
            memo,
            laws.order,
            rank=[3],
            condition=[1e1, 1e3, 1e6],
            eta=["0.5", "0.4"],
            seed=seeds[:3],
        ),
        "tails": _map(
            memo, laws.tail, **square, eta=(0.2, 0.3, 0.4, 0.49, 0.6, 0.8, 0.9), seed=seeds
        ),
        "others": _map(memo, competitors.other_methods, **grid, steps=[config.steps]),
        "squares": _map(memo, competitors.least_squares, **grid, columns=[config.columns]),
        "descent": _map(
            memo,
            competitors.gradient_descent,
            **square,
            condition=[1e1, 1e2],
            eta=[0.5, 0.9],
            seed=seeds,
        ),
        "leaks": _map(memo, limits.leak, **square, eta=[0.5], size=LEAKS, seed=seeds),
        "random": _map(
            memo,
            limits.random_starts,
            rank=RANDOM_RANKS,
            draws=[config.draws // BATCHES],
            seed=range(1000, 1000 + BATCHES),
        ),
        "below": _map(memo, limits.below_rank, gap=[0.5, 0.9, 0.99], eta=[0.5, 0.9], seed=seeds),
        "one_step": _map(memo, limits.one_step_below_rank, seed=seeds),
        "transfer": _map(memo, adaptation.transfer, alignment=ALIGNMENTS, seed=many),
        "exponents": _map(memo, adaptation.scale_exponents, **shape, seed=seeds),
    }


def _fastest_descent(cells: dict[str, Records], condition: float) -> list[int | None]:
    """Steps of gradient descent at the better of its step sizes, seed by seed."""
    by_step_size = [
        _pick(cells["descent"], "steps", condition=condition, eta=eta) for eta in (0.5, 0.9)
    ]
    return [
        min((t for t in pair if t is not None), default=None)
        for pair in zip(*by_step_size, strict=True)
    ]


def _law_evidence(cells: dict[str, Records]) -> Measurements:
    """N1 to N6: what holds from the Nyström start."""
    scalar, polar, newton = cells["scalar"], cells["polar"], cells["newton"]
    exact_starts = [
        steps
        for record in scalar
        for steps, condition in zip(record["steps"], record["start_condition"], strict=True)
        if condition <= 1e5
    ]
    beyond = [r["steps"] - np.log(r["distance"]) / np.log(4) for r in newton + cells["scales"]]
    by_condition = np.array(
        [_pick(newton, "steps", condition=condition) for condition in CONDITIONS]
    )
    slopes = np.polyfit(np.log(CONDITIONS) / np.log(4), by_condition, 1)[0]
    slower = [
        slow / fast
        for slow, fast in zip(_fastest_descent(cells, 1e2), by_condition[1], strict=False)
        if slow is not None
    ]
    return {
        "N1": [spread(_pick(scalar, "deviation"))],
        "N2": [spread(exact_starts)],
        "N3": [
            spread(_pick(scalar, "one_step")),
            spread([r["cycle"] for r in polar if r["distance"] <= 1e6]),
            spread(_pick(polar, "cycle_lowest")),
        ],
        "N4": [spread(_pick(polar, name)) for name in ("map", "sigma", "residual", "limit")],
        "N5": [spread(_pick(cells["orders"], "order", eta=eta)) for eta in ("0.5", "0.4")],
        "N5b": [
            spread([abs(r["factor"] - symmetric.tail_factor(r["eta"])) for r in cells["tails"]])
        ],
        "N6": [
            spread(beyond),
            mean(slopes.tolist()),
            mean(_pick(newton, "steps", condition=1e6)),
            geometric_mean(slower),
        ],
    }


def _limit_evidence(cells: dict[str, Records]) -> Measurements:
    """N7 to N10: where it stops holding, and where nothing is gained."""
    leaks, random, one_step = cells["leaks"], cells["random"], cells["one_step"]
    # A leak of 1e-9 is down to 1e-12 after ten steps, before some runs have converged inside the
    # range.
    visible = [r for r in leaks if r["size"] >= 1e-6]
    converged = [
        proportion(
            sum(_pick(random, "converged", rank=rank)), sum(_pick(random, "draws", rank=rank))
        )
        for rank in RANDOM_RANKS
    ]
    return {
        "N7": [
            spread(_pick(leaks, "outside")),
            spread([r["late"] for r in visible]),
            spread([r["steps"] - r["least_steps"] for r in visible]),
        ],
        "N8": [
            spread(_pick(random, "agreement")),
            *converged,
            spread(_pick(random, "alternating")),
            spread(np.ravel(_pick(random, "alternating_factors")).tolist()),
        ],
        "N9": [
            spread(_pick(cells["below"], "ratio")),
            *(
                spread(_pick(one_step, name))
                for name in ("range_finder", "weak_optimality", "excess")
            ),
        ],
        "N10": [
            spread(_pick(cells["squares"], "first")),
            spread([sweeps - SIX for sweeps in _pick(cells["squares"], "sweeps")]),
        ],
    }


def _adaptation_evidence(cells: dict[str, Records], timing: bool) -> Measurements:
    """N11 to N14: what carries over to low-rank adaptation."""
    (cost,), transfer = cells["cost"], cells["transfer"]
    released = cells["released"][0] if cells["released"] else None

    def ratio(field: str, above: str, below: str, alignment: float) -> Measured:
        above_values, below_values = (
            _pick(transfer, name, alignment=alignment) for name in (above, below)
        )
        return geometric_mean(
            [a[field] / b[field] for a, b in zip(above_values, below_values, strict=True)]
        )

    starts = [record[name] for record in transfer for name in STARTS]
    return {
        "N11": [ratio("steps", "random", "weight", alignment) for alignment in ALIGNMENTS],
        "N11b": [ratio("steps", "random", "gradient", alignment) for alignment in ALIGNMENTS],
        "N11c": [
            spread([abs(s["first"] - s["law"]) / EPS for s in starts]),
            *(ratio("first", "weight", "random", alignment) for alignment in (0.0, 1.0)),
        ],
        "N12": [
            spread(_pick(cells["exponents"], name))
            for name in ("preconditioned", "gradient", "released")
        ],
        "N13": [
            *(spread(cost[name]) for name in ("value_error", "mean_cos2")),
            *(
                geometric_mean(cost[name]) if timing else None
                for name in ("over_randomised", "over_sketch")
            ),
        ],
        "N14": [
            spread(released[name]) if released else None for name in ("lora_ga", "olora", "nora")
        ],
    }


def _bound(records: Records, **where: Any) -> float | None:
    return _middle(
        [symmetric.steps_bound(x, ACCURACY) for x in _pick(records, "distance", **where)]
    )


def _step_table(cells: dict[str, Records]) -> Records:
    others = cells["others"]
    return [
        {
            "condition": condition,
            "Nyström eta=0.5": _middle(_pick(cells["newton"], "steps", condition=condition)),
            "its bound": _bound(cells["newton"], condition=condition),
            "Nyström eta=0.4": _middle(_pick(others, "nystrom_0.4", condition=condition)),
            "Nyström eta=1": _middle(_pick(others, "nystrom_1", condition=condition)),
            "small random eta=0.5": _middle(_pick(others, "small_random", condition=condition)),
            "gradient descent": _middle(_fastest_descent(cells, condition))
            if condition <= 1e2
            else None,
            "asymmetric eta=0.5": _middle(
                [s[0] for s in _pick(cells["scalar"], "steps", condition=condition)]
            ),
            "asymmetric ALS, random": _middle(
                _pick(cells["squares"], "sweeps", condition=condition)
            ),
        }
        for condition in CONDITIONS
    ]


def _scale_table(cells: dict[str, Records]) -> Records:
    scales = cells["scales"]
    return [
        {
            "xi": xi,
            "steps": _middle(_pick(scales, "steps", xi=xi)),
            "its bound": _bound(scales, xi=xi),
        }
        for xi in SCALES
    ]


def _transfer_table(cells: dict[str, Records]) -> Records:
    names = {
        "random": "random",
        "weight": "sketch of the weight",
        "gradient": "sketch of the gradient",
    }
    return [
        {
            "overlap": alignment,
            "start": title,
            "steps": _middle(
                [r["steps"] for r in _pick(cells["transfer"], name, alignment=alignment)]
            ),
            "first error": _middle(
                [r["first"] for r in _pick(cells["transfer"], name, alignment=alignment)]
            ),
        }
        for alignment in ALIGNMENTS
        for name, title in names.items()
    ]


def _figure_data(cells: dict[str, Records]) -> dict[str, Any]:
    """The first seed of what is drawn run by run, every seed of what is drawn as points."""
    points = cells["newton"] + cells["scales"]
    first_random = next(r for r in cells["random"] if r["rank"] == 2)
    return {
        "conditions": CONDITIONS,
        "symmetric": [_pick(cells["newton"], "errors", condition=c)[0] for c in CONDITIONS],
        "symmetric_law": [_pick(cells["newton"], "law", condition=c)[0] for c in CONDITIONS],
        "asymmetric": [_pick(cells["scalar"], "errors", condition=c)[0] for c in CONDITIONS],
        "asymmetric_law": np.abs(asymmetric.scalar_law(0.5, 12) - 1).tolist(),
        "distance": _pick(points, "distance"),
        "steps": _pick(points, "steps"),
        "extra_steps": symmetric.extra_steps(ACCURACY),
        "table": _step_table(cells),
        "leaks": [
            {"size": size, "errors": _pick(cells["leaks"], "errors", size=size)[0]}
            for size in LEAKS
        ],
        "random_starts": {key: first_random[key] for key in ("real", "imaginary", "done")},
        "transfer": [
            {
                "overlap": overlap,
                **{n: _pick(cells["transfer"], n, alignment=overlap)[0]["errors"] for n in STARTS},
            }
            for overlap in (0.0, 1.0)
        ],
    }


def measure(config: Config, memo: Memo) -> Evidence:
    cells = _collect(config, memo)
    tables = {
        "Steps to a relative error of 1e-12 (medians; - for never, or not run)": _step_table(cells),
        "Steps to 1e-12 against the scale of the sketch, condition number 1e3": _scale_table(cells),
        "Adapting a 128 x 128 weight by rank 4: steps to 1e-10, and the error after "
        "one": _transfer_table(cells),
    }
    measured = {
        **_law_evidence(cells),
        **_limit_evidence(cells),
        **_adaptation_evidence(cells, config.timing),
    }
    return Evidence(measured, _figure_data(cells), tables)


PROXY = Proxy("nystrom", Config, CLAIMS, measure, quick=Config(seeds=3, draws=800, timing=False))

if __name__ == "__main__":
    PROXY.main()
