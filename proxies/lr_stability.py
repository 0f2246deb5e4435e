"""Learning rates of LoRA in wide networks (arXiv:2406.08447, 2402.12354, 2312.03732), measured
against the calculus.

One adapted layer of a network whose frozen weight is never formed; all learning rates,
initializations and seeds of a width at once.
"""

from dataclasses import dataclass, field

from loralab.flags import check_least
from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.lr_stability.claims import CLAIMS
from proxies.families.lr_stability.claims.coordinates import WIDTHS
from proxies.families.lr_stability.claims.settings import (
    LIMIT_A,
    LIMIT_B,
    LORA_PLUS,
    NAMES,
    NETWORKS,
    PAIRS,
)
from proxies.instruments import optional

# how many times `Config.seeds` each experiment takes
TIMES = {
    "grid": 3,
    "limits": 40,
    "transformer": 5,
    "stable": 20,
    "stable, EVA": 5,
    "by rank": 3,
    "first step": 5,
    "mup": 3,
    "standard": 3,
    "residual": 8,
}


@dataclass(frozen=True)
class Config:
    seeds: int = 2
    """tasks, with a network of every width each. What varies more between them takes `TIMES` as
    many: with a standard deviation of .05 a seed for the slopes of the largest stable learning
    rates, 40 leave an interval of +- .02 at a third look, for a tolerance of .037; with .035 in a
    transformer, 10 leave +- .035, for a tolerance of .12 around a mean .08 away; with .075 for the
    ratio of best learning rates in the residual network, 16 leave +- .06 around .07"""
    block: int = 10_000
    """first seed; the others follow it, and every trial's seeds are among them"""
    sweeps: bool = True
    """sweep learning rates (L3, L7 to L11, L14); without, only exponents at given learning rates
    are measured"""
    transformer: bool = field(default_factory=optional.transformers)
    """measure the exponents inside small transformers too (L13), which needs the extra llm"""

    def __post_init__(self) -> None:
        check_least(self, seeds=(1, ""), block=(0, ""))
        if self.transformer and not optional.transformers():
            raise ValueError(
                "L13 needs transformers: pip install 'loralab[llm]', or pass --no-transformer."
            )

    def seeds_of(self, experiment: str) -> list[int]:
        """The seeds of one experiment, a key of `TIMES`."""
        return [self.block + i for i in range(self.seeds * TIMES[experiment])]


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    from proxies.families.lr_stability import evidence, tables
    from proxies.families.lr_stability.evidence.coordinates import of_coordinates
    from proxies.families.lr_stability.trials import coordinates, plan

    seeds = {experiment: config.seeds_of(experiment) for experiment in TIMES}
    grid = plan.powers(memo, list(plan.GRID), PAIRS, seeds["grid"])
    pairs = [LIMIT_A, LIMIT_B, LORA_PLUS]
    limits = plan.powers(memo, [*NAMES, "eva"], pairs, seeds["limits"])
    parts = [evidence.of_grid(grid), evidence.of_limits(limits)]
    data, shown = tables.of_grid(grid)
    if config.transformer:
        inside = coordinates.collect(memo, WIDTHS, seeds["transformer"])
        parts.append(of_coordinates(inside))
        shown |= tables.of_coordinates(inside)
    if config.sweeps:
        stable = plan.stable(memo, plan.STABLE, seeds["stable"])
        stable |= plan.stable(memo, plan.STABLE_EVA, seeds["stable, EVA"])
        by_rank = plan.stable_by_rank(memo, seeds["by rank"])
        first = {name: plan.first_step(memo, name, seeds["first step"]) for name in NETWORKS}
        losses = {name: plan.losses(memo, name, seeds[name]) for name in plan.LOSSES}
        best = {name: plan.best(name, found, seeds[name]) for name, found in losses.items()}
        carried = plan.carried(memo, best["mup"], seeds["mup"])
        parts += [
            evidence.of_stable(stable),
            evidence.of_ranks(by_rank),
            evidence.of_first_step(first),
            evidence.of_losses(best),
            evidence.of_transfer(carried),
            evidence.of_average(losses),
        ]
        more = tables.of_sweeps(stable, by_rank, best, carried)
        data, shown = data | more[0], shown | more[1]
    return Evidence(evidence.joined(*parts), data, shown)


QUICK = Config(seeds=1, block=0, transformer=False)
PROXY = Proxy("lr_stability", Config, CLAIMS, measure, quick=QUICK, full=Config(seeds=5))

if __name__ == "__main__":
    PROXY.main()
