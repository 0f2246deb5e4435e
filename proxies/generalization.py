"""Bounds on the generalisation gap of adapters (arXiv:2402.16842 and sharper ones) against the gap
itself.

Problems so small that every training sample can be enumerated, and PAC-Bayes certificates of
adapters of digits.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from loralab.statistics import geometric_mean, mean, spread
from proxies.families.generalization.claims import CLAIMS
from proxies.families.generalization.trials import chain, posterior
from proxies.families.generalization.trials.problems import CLASSES, D_IN, VARIANTS

NOISE = 0.1
# bounds on the gap over all samples
EXACT = ("bits", "class", "entropy", "individual", "difference")
# on the gap over drawn supersamples
DRAWN = ("conditional", "evaluated", "averaged", "difference_of_draws")
FINER = (("bits", "class"), ("class", "entropy"), ("entropy", "individual"))
FINER_DRAWN = (
    ("conditional", "evaluated"),
    ("averaged", "evaluated"),
    ("averaged", "difference_of_draws"),
)
MEMORIES = [{"inputs": inputs, "n": n} for inputs in (6, 8) for n in (4, 5, 6)]
TITLES = {
    "bits": "stored bits",
    "class": "size of the class",
    "entropy": "entropy",
    "individual": "single samples",
    "conditional": "supersample (CMI)",
    "evaluated": "its losses (e-CMI)",
    "difference": "loss differences (ld-MI)",
}
Records = list[dict[str, Any]]
Measurements = dict[str, Sequence[Measured | None]]


@dataclass(frozen=True)
class Config:
    seeds: int = 8
    """independent problems, seeded 1000, 1001, ..."""
    samples: int = 6
    """training samples of the largest problem; all numbers from 2 up to it are run"""
    supersamples: int = 200
    """supersamples drawn for each problem"""
    splits: int = 5
    """independent splits of the digits"""
    steps: int = 600
    """training steps of an adapter of digits"""
    draws: int = 400
    """draws of a posterior for its mean error"""

    def __post_init__(self) -> None:
        if self.seeds < 3:
            raise ValueError(f"--seeds must be at least 3 for an interval, got {self.seeds}.")
        if not 2 <= self.samples <= 6:
            raise ValueError(
                f"--samples must be from 2 to 6, as 7 make two million samples; got {self.samples}."
            )
        if self.supersamples < 30:
            raise ValueError(
                f"--supersamples must be at least 30 for a standard error, got {self.supersamples}."
            )
        if not 2 <= self.splits <= self.seeds:
            raise ValueError(
                f"--splits must be at least 2 and at most --seeds = {self.seeds}, got "
                f"{self.splits}."
            )
        if self.steps < 1:
            raise ValueError(f"--steps must be at least 1, got {self.steps}.")
        if self.draws < 1:
            raise ValueError(f"--draws must be at least 1, got {self.draws}.")


def _map(
    memo: Memo, cell: Callable[..., dict[str, Any]], points: Sequence[dict[str, Any]]
) -> Records:
    """The cell at every point: its arguments and its results in one record."""
    return [
        {**point, **result} for point, result in zip(points, memo.map(cell, points), strict=True)
    ]


def _grid(**axes: Sequence[Any]) -> Records:
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _pick(records: Records, name: str, **where: Any) -> list[Any]:
    """One column of the records that match."""
    return [
        record[name]
        for record in records
        if all(record[key] == value for key, value in where.items())
    ]


def _collect(config: Config, memo: Memo) -> dict[str, Records]:
    seeds, variants = [1000 + i for i in range(config.seeds)], list(VARIANTS)
    drawn = {"supersamples": [config.supersamples], "seed": seeds}
    sizes = range(config.samples, 1, -1)  # the longest first
    digits = {"steps": [config.steps], "draws": [config.draws], "seed": seeds[: config.splits]}
    return {  # what imports torch comes first, or its workers would look as if they leaked memory
        "digits": _map(memo, posterior.certified, _grid(variant=list(posterior.CONFIGS), **digits)),
        "noisy": _map(memo, chain.chain, _grid(variant=variants, noise=[NOISE], n=sizes, **drawn)),
        "clean": _map(memo, chain.chain, _grid(variant=variants, noise=[0.0], n=[8], **drawn)),
        "every": _map(memo, chain.every_supersample, _grid(variant=variants, seed=seeds[:3])),
        "memory": _map(memo, chain.memory, MEMORIES),
        "scale": _map(memo, chain.at_scale, _grid(name=list(chain.PUBLISHED))),
    }


def _by_seed(records: Records, value: Callable[[dict[str, Any]], float]) -> Measured:
    """Geometric mean over the problems of a seed, which share their weights, and then over
    seeds."""
    logs = {
        seed: [np.log(value(r)) for r in records if r["seed"] == seed]
        for seed in _pick(records, "seed")
    }
    return geometric_mean([float(np.exp(np.mean(log))) for log in logs.values()])


def _paired(records: Records, name: str, above: str, below: str) -> Measured:
    pairs = zip(
        _pick(records, name, variant=above), _pick(records, name, variant=below), strict=True
    )
    return geometric_mean([a / b for a, b in pairs])


def _chain_evidence(cells: dict[str, Records], largest: int) -> Measurements:
    noisy = cells["noisy"]
    last = [r for r in noisy if r["n"] == largest]
    clean = [r for r in cells["clean"] if r["risk"] > 0]  # without risk every bound is zero
    over = [abs(r["gap"]) / min(r[b] for b in EXACT) for r in noisy]
    over_drawn = [abs(r["drawn_gap"]) / min(r[b] for b in DRAWN) for r in noisy]
    ratio = np.sqrt((D_IN + CLASSES) / CLASSES)
    both, B_only = (np.array(_pick(noisy, "bits", variant=variant)) for variant in ("BA", "B"))
    untold, told = (spread(_pick(cells["memory"], name)) for name in ("untold", "told"))
    at_scale = {r["name"]: spread([r["B"]]) for r in cells["scale"]}
    return {
        "A8": [
            spread(over + over_drawn),
            spread([r[fine] / r[coarse] for r in noisy for coarse, fine in FINER]),
            spread([r[fine] / r[coarse] for r in noisy for coarse, fine in FINER_DRAWN]),
            spread((both / B_only / ratio).tolist()),
            _by_seed(last, lambda r: min(r[b] for b in EXACT) / r["gap"]),
            spread([abs(r["drawn_gap"] - r["gap"]) / r["drawn_gap_error"] for r in noisy]),
            spread([r["difference_of_draws"] / r["evaluated"] for r in clean]),
        ],
        "A8b": [untold, told],
        "A8c": [
            *(_paired(last, "gap", "BA", one) for one in ("B", "A")),
            *(_paired(last, "risk", "BA", one) for one in ("B", "A")),
            _paired(cells["digits"], "gibbs_test", "BA", "B"),
        ],
        "A8d": [_by_seed(last, lambda r: r["conditional"] / r["entropy"])],
        "A8e": [at_scale[name] for name in (chain.DIGITS, chain.MNLI, chain.RTE)],
    }


def _certificate_evidence(cells: dict[str, Records]) -> Measurements:
    digits = cells["digits"]
    return {
        "A9": [
            spread([r["test"][name] / r["bounds"][name] for r in digits for name in r["bounds"]]),
            *(spread(_pick(digits, "pac_bayes", variant=variant)) for variant in VARIANTS),
            spread([bounds["32 bits"] for bounds in _pick(digits, "bounds", variant="B")]),
            spread(
                [
                    b / a
                    for b, a in zip(
                        *(_pick(digits, "divergence", variant=v) for v in "BA"), strict=True
                    )
                ]
            ),
            _paired(digits, "bound", "B of EVA", "B"),
        ],
        "A14": [
            spread([abs(r["interpolating_risk"] - r["risk"]) for r in cells[name]])
            for name in ("clean", "every")
        ],
    }


def _chain_table(records: Records) -> Records:
    return [
        {
            "training": variant,
            **{
                title: mean(_pick(records, name, variant=variant)).value
                for name, title in {
                    "train": "training error",
                    "risk": "risk",
                    "gap": "gap",
                    **TITLES,
                }.items()
            },
        }
        for variant in VARIANTS
    ]


def _digits_table(records: Records) -> Records:
    names = {
        "numbers": "numbers",
        "gibbs_train": "training error, posterior",
        "gibbs_test": "test error, posterior",
        "divergence": "KL, nats",
        "pac_bayes": "PAC-Bayes-kl",
        "bound": "certificate",
        "mean_gap": "bound on the mean gap",
    }
    return [
        {
            "training": v,
            **{title: mean(_pick(records, name, variant=v)).value for name, title in names.items()},
        }
        for v in posterior.CONFIGS
    ]


def measure(config: Config, memo: Memo) -> Evidence:
    cells = _collect(config, memo)
    last = [r for r in cells["noisy"] if r["n"] == config.samples]
    tables = {
        f"The gap and what bounds it, n = {config.samples} (means over problems)": _chain_table(
            last
        ),
        "The bits bound at the sizes that people train, 0-1 loss": cells["scale"],
        "Adapters of digits (means over splits)": _digits_table(cells["digits"]),
    }
    measured = {**_chain_evidence(cells, config.samples), **_certificate_evidence(cells)}
    data = {
        "titles": TITLES,
        "noisy": cells["noisy"],
        "digits": cells["digits"],
        "variants": list(VARIANTS),
    }
    return Evidence(measured, data, tables)


PROXY = Proxy(
    "generalization",
    Config,
    CLAIMS,
    measure,
    quick=Config(seeds=6, samples=5, supersamples=60, splits=3, steps=250),
)

if __name__ == "__main__":
    PROXY.main()
