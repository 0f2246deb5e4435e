"""Over-parameterised LoRA (OP-LoRA, arXiv:2412.10362) on low-rank matrix factorisation, against
theory.matfac.

Minimise |B A - M|_F^2 / 2 with the factors trained directly (LoRA) or made by a generator network
(OP-LoRA), by SGD, heavy-ball momentum and Adam, from B A = 0. Results are relative excesses over
the Eckart-Young optimum. Every method has a sweep of learning rates that is extended until its
optimum is inside; all learning rates and seeds of a method run as one batch.

Targets: gauss (full rank), ill (exact rank, condition number 100), well (exact rank, condition
number 1), and digits (scikit-learn's 1797 x 64 pixels), which is run on request and shown in a
table and figures: the claims are about the synthetic ones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loralab.flags import check_least
from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.matfac.claims import CLAIMS
from proxies.families.matfac.trials import plan
from proxies.families.matfac.trials.plan import Key

if TYPE_CHECKING:
    from proxies.families.matfac.trials.sweep import Sweep, Table

SWEEPS = 50  # of alternating least squares
TARGETS = ("synthetic", *plan.TARGETS, "digits")


@dataclass(frozen=True)
class Config:
    rows: int = 24
    """rows of the target M (d_out)"""
    columns: int = 16
    """columns of M (d_in)"""
    rank: int = 3
    """rank of B A"""
    seeds: int = 28
    """independent problems, paired over methods; methods that no claim compares run on 4. The
    difference of OP11 by Adam, 0.2 decades, has a standard deviation of 0.18: 28 problems give
    +- 0.07, or +- 0.08 at a second look"""
    steps: int = 1000
    """full-batch steps of every run"""
    target: str = "synthetic"
    """synthetic (which is gauss, ill and well), one of these, or digits, which brings its own rows
    and columns"""
    methods: str = "all"
    """all: every method on every target; claims: only what the claims compare"""
    rates: tuple[float, ...] = ()
    """learning rates instead of the automatic grid"""
    block: int = 10_000
    """first seed; problem i is drawn from block + i"""

    def __post_init__(self) -> None:
        lowest = {"rows": 2, "columns": 2, "rank": 1, "seeds": 3, "steps": 4, "block": 0}
        check_least(self, **{name: (least, "") for name, least in lowest.items()})
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
    # torch and more, which no --help should wait for
    from proxies.families.matfac.evidence import evidence
    from proxies.families.matfac.evidence.laws import TRIALS
    from proxies.families.matfac.tables import data, tables
    from proxies.families.matfac.trials.alternating import alternating
    from proxies.families.matfac.trials.draws import draws

    claims_only = config.methods == "claims"
    targets = plan.targets(config.target, claims_only)
    searched = plan.keys(targets, claims_only)
    swept = _swept(config, memo, [(k, plan.seeds(k, config.seeds), config.rates) for k in searched])
    too_large = _swept(
        config,
        memo,
        [(key, plan.FIXED_SEEDS, (rate,)) for key, rate in plan.too_large(targets).items()],
    )
    laws = memo.map(draws, [law | {"block": config.block} for law in TRIALS.values()])
    problems = [_problem(config, target, plan.CONTEXT_SEEDS) for target in targets]
    squares = memo.map(alternating, [problem | {"sweeps": SWEEPS} for problem in problems])
    return Evidence(
        evidence(
            dict(zip(TRIALS, laws, strict=True)), swept, _at_one_rate(config, memo), too_large
        ),
        data(swept),
        tables(swept, dict(zip(targets, squares, strict=True))),
    )


def _swept(
    config: Config, memo: Memo, wanted: Sequence[tuple[Key, int, tuple[float, ...]]]
) -> "dict[Key, Sweep]":
    """The sweep of each key, with its number of problems and its learning rates."""
    from proxies.families.matfac.trials.sweep import sweep

    arguments = [
        _problem(config, key[0], seeds)
        | {"optimizer": key[1], "method": key[2], "steps": config.steps, "rates": list(rates)}
        | {"per_decade": plan.per_decade(key)}
        for key, seeds, rates in wanted
    ]
    return dict(zip((key for key, _, _ in wanted), memo.map(sweep, arguments), strict=True))


def _at_one_rate(config: Config, memo: Memo) -> "dict[tuple[str, str], dict[str, Table]]":
    """By target and optimizer, the problems of all shapes in one row; each shape has seeds of its
    own."""
    from proxies.families.matfac.trials.one_rate import one_rate

    chosen = plan.fixed(plan.targets(config.target, claims_only=False))
    shapes = plan.shapes(config.rows, config.columns, config.rank)
    arguments = [
        plan.problem(target, *shape, config.seeds, config.block + i * config.seeds)
        | {"optimizer": optimizer, "rate": rate, "steps": config.steps // 4}
        for (target, optimizer), rate in chosen.items()
        for i, shape in enumerate(shapes)
    ]
    found = memo.map(one_rate, arguments)
    groups = [found[i : i + len(shapes)] for i in range(0, len(found), len(shapes))]
    return {
        key: {name: [[x for shape in group for x in shape[name][0]]] for name in group[0]}
        for key, group in zip(chosen, groups, strict=True)
    }


def _problem(config: Config, target: str, seeds: int) -> dict[str, Any]:
    return plan.problem(target, config.rows, config.columns, config.rank, seeds, config.block)


PROXY = Proxy(
    "matfac",
    Config,
    CLAIMS,
    measure,
    quick=Config(seeds=10, steps=800, methods="claims", block=0),
)

if __name__ == "__main__":
    PROXY.main()
