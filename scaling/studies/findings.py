"""Published findings, looked for on a sentence encoder: `python -m scaling.studies.findings`.

MiniLM learns to which package a docstring belongs. Every method has its own best learning rate,
chosen by validation loss from five and more where the best is at an edge, by seeds apart from those
on which the methods are compared. Where an initialization has another size than the default's, a
control has the size without the directions: the rows of `orthogonal` are as long as EVA's. A run
takes about 20 seconds of one core; the default size has some 1000 of them, six hours, and goes on
after a kill.
"""

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from scaling.studies.claims.findings import CLAIMS, MARGIN
from scaling.studies.size import Config

SMALLEST = ("A alone", "B alone")  # of the reduced size


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    import numpy as np

    from scaling.comparison.driver import mapped
    from scaling.comparison.report import records
    from scaling.comparison.summary import summarise
    from scaling.studies import tables
    from scaling.studies.evidence.findings import Study, evidence, nothing
    from scaling.studies.evidence.quantities import FEATURES
    from scaling.studies.trials.features import inner_features, untrained_features
    from scaling.studies.trials.plan import METHODS, compared, plan, unseen

    run, grid = plan(config)
    names = SMALLEST if config.reduced else (*METHODS,)
    methods, outcomes = compared(run, grid, names, memo)
    rows = summarise(outcomes, names[0], MARGIN, np.random.default_rng(0))
    shown = {tables.EACH: records(rows)}
    if config.reduced:
        return Evidence(nothing(), {}, shown)
    # Init[A] is measured at the learning rates of Init[B] too
    rates = sorted({rate for name in FEATURES for rate in outcomes[name]})
    wanted = [(name, rate, seed) for name in FEATURES for rate in rates for seed in grid.seeds]
    sizes = mapped(inner_features, [methods[n].at(rate, seed) for n, rate, seed in wanted], memo)
    by_trial = dict(zip(wanted, sizes, strict=True))
    features = {
        name: {rate: [by_trial[name, rate, seed] for seed in grid.seeds] for rate in rates}
        for name in FEATURES
    }
    starts = [methods[FEATURES[0]].at(rates[0], seed) for seed in grid.seeds]
    study = Study(
        outcomes,
        {row.method: row.rate for row in rows if row.rate is not None},
        grid.seeds,
        unseen(grid),
        features,
        mapped(untrained_features, starts, memo),
    )
    return Evidence(evidence(study), tables.findings(study), shown)


PROXY = Proxy(
    "findings",
    Config,
    CLAIMS,
    measure,
    quick=Config(steps=1, seeds=1, confirm=0, block=0),
    package="scaling.studies",
)

if __name__ == "__main__":
    PROXY.main()
