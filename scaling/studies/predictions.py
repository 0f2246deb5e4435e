"""The predictions of `loralab advise`, compared with sweeps: `python -m
scaling.studies.predictions`.

MiniLM learns to which package a docstring belongs, by the trials of `scaling.studies.findings`; a
small GPT that has read the standard library goes on to the docstrings of other packages. For each
seed the probe batches are of the examples that the run begins with. The default size has some 550
runs of about 20 seconds of one core each, three hours, and goes on after a kill.
"""

from dataclasses import replace
from typing import Any

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from scaling.studies.claims.predictions import CLAIMS, MARGIN, METHODS
from scaling.studies.size import Config


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    import numpy as np

    from scaling.comparison.driver import mapped
    from scaling.comparison.report import records
    from scaling.comparison.summary import summarise
    from scaling.studies import tables
    from scaling.studies.evidence.predictions import Scored, evidence, nothing
    from scaling.studies.trials.advice import predicted
    from scaling.studies.trials.plan import FINE, compared, plan, unseen

    first, grid = plan(config)
    if config.reduced:
        [one] = mapped(predicted, [first], memo)
        return Evidence(nothing(), {}, {"predictions for MiniLM": [tables.prediction(one)]})
    grid = replace(grid, rates=FINE)
    runs = {"MiniLM": first, "GPT": first.replace(task="causal_lm", model="gpt", length=64)}
    models: dict[str, Scored] = {}
    shown: dict[str, list[dict[str, Any]]] = {}
    for model, names in METHODS.items():
        run = runs[model]
        found = mapped(predicted, [run.replace(seed=seed) for seed in grid.seeds], memo)
        by_seed = dict(zip(grid.seeds, found, strict=True))
        compares = len(names) > 1
        _, outcomes = compared(run, grid if compares else replace(grid, confirm=0), names, memo)
        rows = summarise(outcomes, names[0], MARGIN, np.random.default_rng(0))
        best = {row.method: row.rate for row in rows if row.rate is not None}
        models[model] = Scored(outcomes, best, unseen(grid), by_seed)
        shown[f"{model}: {tables.EACH}"] = records(rows)
        shown[f"{model}: predictions by seed"] = [
            {"seed": seed, **tables.prediction(one)} for seed, one in by_seed.items()
        ]
    data = {model: tables.predictions(scored) for model, scored in models.items()}
    return Evidence(evidence(models), data, shown)


PROXY = Proxy(
    "predictions",
    Config,
    CLAIMS,
    measure,
    quick=Config(steps=1, seeds=1, confirm=0, block=0),
    package="scaling.studies",
)

if __name__ == "__main__":
    PROXY.main()
