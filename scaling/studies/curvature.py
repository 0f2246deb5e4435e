"""Whether the curvature of the loss tells a method's learning rate, on a language model: `python -m
scaling.studies.curvature`.

Of SmolLM2-135M with LoRA, PiSSA, MiLoRA, OLoRA and LoRA-GA: the largest eigenvalue of the loss's
Hessian before the first step, and the best learning rate of 40 steps. Some 140 runs and
eigenvalues, an hour and a half of two cores; goes on after a kill.
"""

from dataclasses import dataclass

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from scaling.studies.claims.curvature import CLAIMS, METHODS
from scaling.studies.claims.language.checks import STEPS
from scaling.studies.size import Seeds


@dataclass(frozen=True)
class Config(Seeds):
    block: int = 70_000


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    from scaling.comparison.driver import mapped
    from scaling.studies import tables
    from scaling.studies.evidence.curvature import best, evidence, nothing
    from scaling.studies.trials import language
    from scaling.studies.trials.curvature import sharpness

    run = language.run("text", STEPS, config.block)
    if config.reduced:
        [one] = mapped(sharpness, [run.replace(length=16)], memo)
        return Evidence(nothing(), {}, {"at the start": [{"method": "LoRA", "eigenvalue": one}]})
    seeds = range(config.block, config.block + config.seeds)
    methods, outcomes = language.compared(run, METHODS, seeds, memo)
    wanted = [methods[name].at(run.lr, seed) for name in METHODS for seed in seeds]
    found = iter(mapped(sharpness, wanted, memo))
    sharp = {name: [next(found) for _ in seeds] for name in METHODS}
    rates = best(outcomes, seeds)
    shown = {"before training, and the best learning rate": tables.curvature_means(sharp, rates)}
    return Evidence(evidence(sharp, outcomes, seeds), tables.curvature(sharp, rates), shown)


PROXY = Proxy(
    "curvature",
    Config,
    CLAIMS,
    measure,
    quick=Config(seeds=1, block=0),
    package="scaling.studies",
)

if __name__ == "__main__":
    PROXY.main()
