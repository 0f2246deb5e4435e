"""What `loralab advise` foretells, held against a sweep: `python -m scaling.studies.predictions`.

MiniLM learns to which package a docstring belongs, by the cells of `scaling.studies.findings`; a
small GPT that has read the standard library goes on to the docstrings of other packages. For each
seed the look is at the examples that the run begins with.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from scaling.comparison.driver import beside, outcomes_of
from scaling.comparison.grid import methods
from scaling.comparison.report import records
from scaling.comparison.statistics import ratio
from scaling.comparison.summary import Outcomes, Row, diverged, lowest_loss, runs_of, summarise
from scaling.studies.claims.predictions import CLAIMS, MARGIN, STARTS
from scaling.studies.evidence import difference, logarithm, optimum
from scaling.studies.findings import METHODS, Config, grid_of
from scaling.studies.trials.advice import foretold

FROZEN = ("B alone", "A alone")


def measure(config: Config, memo: Memo) -> Evidence:
    first, grid = grid_of(config)
    if config.reduced:
        [look] = beside(foretold, [first], memo)
        nothing: dict[str, Sequence[None]] = {
            claim.id: [None] * len(claim.checks) for claim in CLAIMS
        }
        return Evidence({**nothing}, {}, {"foretold of MiniLM": [_flat(look)]})
    measured: dict[str, list[Measured | None]] = {claim.id: [] for claim in CLAIMS}
    data, tables = {}, {}
    for model, run in {"MiniLM": first, "GPT": first.replace(task="causal_lm", length=64)}.items():
        told = beside(foretold, [run.replace(seed=seed) for seed in grid.seeds], memo)
        compared = methods(run, grid, {name: METHODS[name] for name in (*STARTS.values(), *FROZEN)})
        outcomes = outcomes_of(compared, grid, memo)
        rows = {
            row.method: row for row in summarise(outcomes, "LoRA", MARGIN, np.random.default_rng(0))
        }
        for id, found in scored(outcomes, rows, grid.seeds, told).items():
            measured[id] += found if id != "S8d" or model == "GPT" else []  # MiniLM has a new head
        data[model] = drawn(outcomes, told)
        tables[f"{model}: each method at its best rate"] = records(list(rows.values()))
        tables[f"{model}: foretold by seed"] = [
            {"seed": seed, **_flat(look)} for seed, look in zip(grid.seeds, told, strict=True)
        ]
    return Evidence({**measured}, data, tables)


def scored(
    outcomes: Outcomes,
    rows: Mapping[str, Row],
    seeds: Sequence[int],
    told: Sequence[Mapping[str, Any]],
) -> dict[str, list[Measured | None]]:
    """What was foretold, seed by seed, against what was found, on one model; None where nothing was
    foretold."""

    def over_best(what: str, start: str) -> Measured | None:
        foretold = [look[what][start] for look in told]
        return (
            None
            if None in foretold
            else ratio(foretold, [optimum(outcomes[STARTS[start]], s) for s in seeds])
        )

    def lead(first: str, second: str) -> Measured:
        return difference(
            runs_of(outcomes, rows[first]),
            runs_of(outcomes, rows[second]),
            np.random.default_rng(0),
        )

    advised = Counter(look["scheme"] for look in told).most_common(1)[0][0]
    other = next(start for start in STARTS if start != advised)
    better, worse = FROZEN if np.median([look["gain"] for look in told]) > 0 else FROZEN[::-1]
    return {
        "S8": [
            found and logarithm(found) for found in (over_best("rate", start) for start in STARTS)
        ],
        "S8c": [over_best("bound", start) for start in STARTS],
        "S8b": [lead(STARTS[advised], STARTS[other])],
        "S8d": [lead(better, worse)],
    }


def drawn(outcomes: Outcomes, told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By method: rate and mean validation loss where no run diverged, and the geometric means of
    the rate and the bound foretold."""

    def middle(what: str, start: str) -> float | None:
        foretold = [look[what][start] for look in told]
        return None if None in foretold else float(np.exp(np.mean(np.log(foretold))))

    return {
        name: {
            "losses": [
                [rate, float(np.mean([lowest_loss(run) for run in runs.values()]))]
                for rate, runs in sorted(outcomes[name].items())
                if not any(map(diverged, runs.values()))
            ],
            "rate": middle("rate", start),
            "bound": middle("bound", start),
        }
        for start, name in STARTS.items()
    }


def _flat(look: Mapping[str, Any]) -> dict[str, Any]:
    rates = {
        f"{what}, {STARTS[start]}": look[what][start]
        for what in ("rate", "bound")
        for start in STARTS
    }
    return {**rates, "start advised": look["scheme"], "gain of tuning B": look["gain"]}


PROXY = Proxy(
    "predictions",
    Config,
    CLAIMS,
    measure,
    quick=Config(steps=1, seeds=1),
    package="scaling.studies",
)

if __name__ == "__main__":
    PROXY.main()
