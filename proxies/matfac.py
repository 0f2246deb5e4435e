"""Over-parameterised LoRA (OP-LoRA, arXiv:2412.10362) on low-rank matrix factorisation, against
theory.matfac.

Minimise |B A - M|_F^2 / 2 with the factors trained directly or made by a generator, by SGD,
heavy-ball momentum and Adam, from B A = 0. Results are relative excesses over the Eckart-Young
optimum. Every method has a sweep of learning rates that is extended until its optimum is inside;
all rates and seeds of a method run as one batch.

Targets: gauss (full rank), ill (exact rank, condition number 100), well (exact rank, condition
number 1), and digits (scikit-learn's 1797 x 64 pixels), which is run on request and shown in a
table and figures: the claims are about the synthetic ones.
"""

import math
from dataclasses import dataclass
from typing import Any

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.matfac import evidence
from proxies.families.matfac.claims import CLAIMS
from proxies.families.matfac.evidence import FIXED, TOO_LARGE, Key
from proxies.families.matfac.trials.alternating import alternating
from proxies.families.matfac.trials.sweep import Cell, sweep

# cells of one rate are cheap, and 40 of 40 puts a proportion's lower limit above 0.9
FIXED_SEEDS = 40
CONTEXT_SEEDS = 5  # of a cell that is shown beside the compared ones and decides no claim
# Adam cannot do without the 1797 rows of digits, which makes a generator 37 times as dear as at 24
# x 16.
DIGITS_SEEDS = 3
TOO_DEAR = {("digits", "Adam", "OP default"), ("digits", "Adam", "OP linear")}
SWEEPS = 50  # of alternating least squares
READING = (
    "steps are the fewest over rates, in the median over seeds; width in decades of "
    "rates that reach 1e-4"
)
TARGETS = ("synthetic", "gauss", "ill", "well", "digits")
METHODS = ("OP bias", "OP default", "OP linear", "scalar", "direct", "direct, large A")
SCALED = ("ScaledGD", "Nyström + ScaledGD")  # preconditioned SGD, so they have no other optimiser
# the slowest cells first, so that the cores finish together
OPTIMISERS = ("Adam", "momentum", "SGD")
COMPARED = {
    *(
        (target, optimiser, method)
        for target in ("gauss", "ill")
        for optimiser in OPTIMISERS
        for method in ("OP bias", "direct")
    ),
    ("gauss", "SGD", "OP linear"),
    ("ill", "SGD", "ScaledGD"),
}


@dataclass(frozen=True)
class Config:
    rows: int = 24
    """rows of the target M (d_out)"""
    columns: int = 16
    """columns of M (d_in)"""
    rank: int = 3
    """rank of B A"""
    seeds: int = 20
    """independent problems, paired over methods, seeded from 1000 on; methods that no claim
    compares run on 5"""
    steps: int = 1000
    """full-batch steps of every run"""
    target: str = "synthetic"
    """synthetic (which is gauss, ill and well), one of these, or digits, which brings its own rows
    and columns"""
    methods: str = "all"
    """all: every method on every target; claims: only what the claims compare"""
    rates: tuple[float, ...] = ()
    """learning rates instead of the automatic grid"""

    def __post_init__(self) -> None:
        for name, least in (("rows", 2), ("columns", 2), ("rank", 1), ("seeds", 2), ("steps", 1)):
            if (value := getattr(self, name)) < least:
                raise ValueError(f"--{name} must be at least {least}, got {value}")
        for name, known in (("target", TARGETS), ("methods", ("all", "claims"))):
            if (value := getattr(self, name)) not in known:
                raise ValueError(f"--{name} must be one of {', '.join(known)}, got {value!r}")
        most = 64 if self.target == "digits" else min(self.rows, self.columns)
        if self.rank > most:
            raise ValueError(f"--rank must be at most min(rows, columns) = {most}, got {self.rank}")
        for rate in self.rates:
            if not (math.isfinite(rate) and rate > 0):
                raise ValueError(f"--rates must be positive and finite, got {rate:g}")


def measure(config: Config, memo: Memo) -> Evidence:
    targets = _targets(config)
    keys = sorted(_keys(config, targets), key=lambda key: OPTIMISERS.index(key[1]))
    fixed = [(cell, method) for cell in FIXED for method in ("OP bias", "direct")]
    fixed += [(TOO_LARGE, method) for method in ("OP bias", "OP linear")]
    fixed = [(cell, method) for cell, method in fixed if cell[0] in targets]
    cells = [_cell(config, *key, _seeds(config, key), config.rates) for key in keys]
    for (target, optimiser, rate), method in fixed:
        cells.append(_cell(config, target, optimiser, method, FIXED_SEEDS, (rate,)))
    found = memo.map(sweep, cells)
    swept = dict(zip(keys, found, strict=False))
    at_rate: dict[bool, dict[Key, Cell]] = {True: {}, False: {}}
    for (cell, method), result in zip(fixed, found[len(keys) :], strict=True):
        at_rate[cell == TOO_LARGE][*cell[:2], method] = result
    measured = dict(evidence.laws(memo))
    for id, values in evidence.comparisons(swept, at_rate[False], at_rate[True]).items():
        measured[id] = [*measured.get(id, ()), *values]
    squares = memo.map(
        alternating,
        [_problem(config, target, CONTEXT_SEEDS) | {"sweeps": SWEEPS} for target in targets],
    )
    tables = {
        f"{target}: {READING}": evidence.rows(target, swept, square)
        for target, square in zip(targets, squares, strict=True)
    }
    return Evidence(
        measured, {"series": [evidence.series(key, cell) for key, cell in swept.items()]}, tables
    )


def _targets(config: Config) -> tuple[str, ...]:
    if config.target != "synthetic":
        return (config.target,)
    return ("gauss", "ill") if config.methods == "claims" else ("gauss", "ill", "well")


def _keys(config: Config, targets: tuple[str, ...]) -> list[Key]:
    keys = [
        (target, optimiser, method)
        for target in targets
        for optimiser in OPTIMISERS
        for method in METHODS
    ]
    keys += [(target, "SGD", method) for target in targets for method in SCALED]
    return [
        key for key in keys if key not in TOO_DEAR and (config.methods == "all" or key in COMPARED)
    ]


def _seeds(config: Config, key: Key) -> int:
    most = (
        config.seeds if key in COMPARED else DIGITS_SEEDS if key[0] == "digits" else CONTEXT_SEEDS
    )
    return min(config.seeds, most)


def _problem(config: Config, target: str, seeds: int) -> dict[str, Any]:
    sizes = (
        {"rows": config.rows, "columns": config.columns}
        if target != "digits"
        else {"rows": 1797, "columns": 64}
    )
    return {"target": target, **sizes, "rank": config.rank, "seeds": seeds}


def _cell(
    config: Config, target: str, optimiser: str, method: str, seeds: int, rates: tuple[float, ...]
) -> dict[str, Any]:
    how = {"optimiser": optimiser, "method": method, "steps": config.steps, "rates": list(rates)}
    return _problem(config, target, seeds) | how


PROXY = Proxy(
    "matfac", Config, CLAIMS, measure, quick=Config(seeds=12, steps=800, methods="claims")
)

if __name__ == "__main__":
    PROXY.main()
