"""The learning rate that `loralab advise` predicts, on models and tasks that it was not tuned on:
`python -m scaling.studies.rates`.

Ten pairs of a model and a task, of language, images and offline reinforcement learning. Around the
predicted learning rate of each a sweep looks for the best one, and the two are compared on test
data. The default size has some 350 runs of 40 steps, and goes on after a kill.
"""

from dataclasses import dataclass

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from scaling.studies.claims.rates import CLAIMS, PAIRS
from scaling.studies.size import Seeds


@dataclass(frozen=True)
class Config(Seeds):
    block: int = 30_000


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    from scaling.comparison.driver import mapped
    from scaling.studies import tables
    from scaling.studies.evidence.rates import Study, evidence, nothing
    from scaling.studies.trials.rates import predicted, run, scored

    if config.reduced:
        pair = "SmolLM2, instructions"
        rate = mapped(predicted, [run(pair, config.block)], memo)
        return Evidence(
            nothing(), {}, {"predicted learning rate": [{"pair": pair, "rate": rate[0]}]}
        )
    seeds = range(config.block, config.block + config.seeds)
    study = Study({pair: scored(pair, seeds, memo) for pair in PAIRS}, seeds)
    found = evidence(study)
    return Evidence(found, tables.rates(study, found), {})


PROXY = Proxy(
    "rates",
    Config,
    CLAIMS,
    measure,
    quick=Config(seeds=1, block=0),
    package="scaling.studies",
)

if __name__ == "__main__":
    PROXY.main()
