"""Published findings on a real model, checked by a sweep: `python -m scaling.studies.findings`.

MiniLM learns to which package a docstring belongs. Every method has its own best learning rate,
chosen by validation loss from five and more where the best is at an edge; differences are paired by
test example and seed. Where an initialization has another size than the default's, a control has
the size without the directions: the rows of `orthogonal` are as long as EVA's. The budget of two
adapters is the number of values that they train.
"""

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from scaling.studies.claims.findings import CLAIMS, MARGIN
from scaling.studies.size import Config


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    import numpy as np

    from scaling.comparison.driver import mapped
    from scaling.comparison.report import records
    from scaling.comparison.summary import summarise
    from scaling.studies import tables
    from scaling.studies.evidence.findings import BUDGET, FEATURES, budget, evidence
    from scaling.studies.trials.features import inner_features
    from scaling.studies.trials.plan import METHODS, compared, plan

    run, grid = plan(config)
    names = BUDGET if config.reduced else (*METHODS,)
    methods, outcomes = compared(run, grid, names, memo)
    rows = {
        row.method: row for row in summarise(outcomes, names[0], MARGIN, np.random.default_rng(0))
    }
    shown = {tables.EACH: records(list(rows.values()))}
    if config.reduced:
        return Evidence(budget(rows), {}, shown)
    best = {name: row.rate for name, row in rows.items() if row.rate is not None}
    features = [
        mapped(inner_features, [methods[name].at(best[name], seed) for seed in grid.seeds], memo)
        for name in FEATURES
    ]
    return Evidence(evidence(outcomes, rows, features), tables.findings(outcomes, rows), shown)


PROXY = Proxy(
    "findings",
    Config,
    CLAIMS,
    measure,
    quick=Config(steps=1, seeds=1, confirm=0),
    package="scaling.studies",
)

if __name__ == "__main__":
    PROXY.main()
