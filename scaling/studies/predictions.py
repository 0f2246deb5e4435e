"""The predictions of `loralab advise`, compared with sweeps: `python -m
scaling.studies.predictions`.

MiniLM learns to which package a docstring belongs, by the trials of `scaling.studies.findings`; a
small GPT that has read the standard library goes on to the docstrings of other packages. For each
seed the probe batches are of the examples that the run begins with.
"""

from typing import Any

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from scaling.studies.claims.predictions import CLAIMS, MARGIN, METHOD_OF
from scaling.studies.size import Config


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    import numpy as np

    from scaling.comparison.driver import mapped
    from scaling.comparison.report import records
    from scaling.comparison.summary import summarise
    from scaling.studies import tables
    from scaling.studies.evidence.predictions import FROZEN, nothing, scored
    from scaling.studies.trials.advice import predicted
    from scaling.studies.trials.plan import compared, plan

    first, grid = plan(config)
    measured = nothing()
    if config.reduced:
        [one] = mapped(predicted, [first], memo)
        return Evidence(measured, {}, {"predictions for MiniLM": [tables.prediction(one)]})
    data: dict[str, Any] = {}
    shown: dict[str, list[dict[str, Any]]] = {}
    for model, run in {"MiniLM": first, "GPT": first.replace(task="causal_lm", length=64)}.items():
        found = mapped(predicted, [run.replace(seed=seed) for seed in grid.seeds], memo)
        by_seed = dict(zip(grid.seeds, found, strict=True))
        _, outcomes = compared(run, grid, (*METHOD_OF.values(), *FROZEN), memo)
        rows = {
            row.method: row for row in summarise(outcomes, "LoRA", MARGIN, np.random.default_rng(0))
        }
        for id, checks in scored(model, outcomes, rows, by_seed).items():
            measured[id] |= checks
        data[model] = tables.predictions(outcomes, by_seed)
        shown[f"{model}: {tables.EACH}"] = records(list(rows.values()))
        shown[f"{model}: predictions by seed"] = [
            {"seed": seed, **tables.prediction(one)} for seed, one in by_seed.items()
        ]
    return Evidence(measured, data, shown)


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
