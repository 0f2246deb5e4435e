"""The generalization gap of a language model's adapter with one factor trained and with both:
`python -m scaling.studies.gaps`.

SmolLM2-135M reads 24 examples five times each and is then evaluated on them and on unseen ones,
with both factors trained, B alone and A alone, each at its own best learning rate. Forty minutes of
two cores; goes on after a kill.
"""

from dataclasses import dataclass
from typing import Any

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from scaling.studies.claims.gaps import BATCH, BOTH, CLAIMS, STEPS
from scaling.studies.size import Seeds

METHODS: dict[str, dict[str, Any]] = {
    BOTH: {},
    "B alone": {"train_a": False},
    "A alone": {"scheme": "init_b", "train_b": False},
}
# where exploration on seed 0 puts the best learning rate
BEST = {BOTH: 3.2e-4, "B alone": 1e-3, "A alone": 1e-4}
WIDEN = 2


@dataclass(frozen=True)
class Config(Seeds):
    block: int = 60_000


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    from scaling.comparison.axes import Grid
    from scaling.comparison.driver import mapped, swept
    from scaling.comparison.grid import STEP, methods, rounded
    from scaling.core.config import Config as FineTuneConfig
    from scaling.studies import tables
    from scaling.studies.evidence.gaps import evidence, nothing
    from scaling.studies.trials.gaps import fitted

    steps = 1 if config.reduced else STEPS
    shared = FineTuneConfig.of(
        task="causal_lm",
        batch=BATCH,
        length=16 if config.reduced else 96,
        steps=steps,
        validate_every=steps,
        precision="bfloat16",
        task_options={"samples": 0},
        seed=config.block,
    )
    seeds = range(config.block, config.block + config.seeds)
    grid = Grid((), seeds=tuple(seeds), widen=0 if config.reduced else WIDEN)
    named = {BOTH: METHODS[BOTH]} if config.reduced else METHODS
    beside = 0 if config.reduced else 1
    tried = {
        name: method._replace(
            rates=tuple(rounded(BEST[name] * STEP**k) for k in range(-beside, beside + 1))
        )
        for name, method in methods(shared, grid, named).items()
    }
    outcomes = swept(tried, grid, lambda configs: mapped(fitted, configs, memo))
    if config.reduced:
        [[one]] = [runs.values() for runs in outcomes[BOTH].values()]
        return Evidence(nothing(), {}, {"losses": [{k: one[k] for k in ("train", "test")}]})
    shown = {tables.EACH: tables.gaps_at_best(outcomes, seeds)}
    return Evidence(evidence(outcomes, seeds), tables.gaps(outcomes, seeds), shown)


PROXY = Proxy(
    "gaps",
    Config,
    CLAIMS,
    measure,
    quick=Config(seeds=1, block=0),
    package="scaling.studies",
)

if __name__ == "__main__":
    PROXY.main()
