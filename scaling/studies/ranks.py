"""How the largest learning rate of a language model's adapter goes with the rank: `python -m
scaling.studies.ranks`.

SmolLM2-135M is trained for 8 steps from Init[A] and Init[B] at ranks 2, 8 and 32, with s =
alpha/r, alpha/sqrt(r) and constant, at learning rates that enclose the largest one at which what
the adapters add is no larger than what the model's own weights give. Half an hour of two
cores; goes on after a kill.
"""

from dataclasses import dataclass
from itertools import product
from statistics import geometric_mean

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from scaling.studies.claims.ranks import CLAIMS, POWERS, RANKS, SCHEMES, STEPS, alpha
from scaling.studies.size import Seeds


@dataclass(frozen=True)
class Config(Seeds):
    block: int = 50_000


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    from scaling.comparison.driver import mapped
    from scaling.studies import tables
    from scaling.studies.evidence.ranks import Found, crossing, evidence, nothing
    from scaling.studies.trials import language
    from scaling.studies.trials.ranks import bounded

    shared = language.run("text", 2 if config.reduced else STEPS, config.block)
    if config.reduced:
        [sizes] = mapped(bounded, [shared.replace(rank=2, alpha=2.0, length=16)], memo)
        return Evidence(nothing(), {}, {"a search": [sizes]})
    cases = list(product(SCHEMES, POWERS, RANKS))
    seeds = range(config.block, config.block + config.seeds)
    # at the rank in the middle s is 1 in all cases, which share the trial
    wanted = {
        (scheme, alpha(scale, rank), rank, seed): shared.replace(
            scheme=scheme, rank=rank, alpha=alpha(scale, rank), seed=seed
        )
        for (scheme, scale, rank), seed in product(cases, seeds)
    }
    rates = dict(zip(wanted, map(crossing, mapped(bounded, [*wanted.values()], memo)), strict=True))
    found: Found = {
        (scheme, scale, rank): [rates[scheme, alpha(scale, rank), rank, seed] for seed in seeds]
        for scheme, scale, rank in cases
    }
    shown = [
        {"initialization": SCHEMES[scheme], "s": scale}
        | {f"rank {rank}": geometric_mean(found[scheme, scale, rank]) for rank in RANKS}
        for scheme, scale in product(SCHEMES, POWERS)
    ]
    return Evidence(evidence(found), tables.ranks(found), {"largest learning rate": shown})


PROXY = Proxy(
    "ranks",
    Config,
    CLAIMS,
    measure,
    quick=Config(seeds=1, block=0),
    package="scaling.studies",
)

if __name__ == "__main__":
    PROXY.main()
