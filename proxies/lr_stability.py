"""Learning rates of LoRA in wide networks (arXiv:2406.08447, 2402.12354, 2312.03732), measured
against the calculus.

One adapted layer of a network whose frozen weight is never formed; all learning rates,
initializations and seeds of a width at once.
"""

from dataclasses import dataclass, field

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.lr_stability.claims import CLAIMS
from proxies.families.lr_stability.claims.checks import (
    BIG,
    LIMIT_A,
    LIMIT_B,
    LORA_PLUS,
    NAMES,
    PAIRS,
)
from proxies.instruments import optional

LLAMA_WIDTHS, LLAMA_SEEDS = (64, 128, 256, 512), 4


@dataclass(frozen=True)
class Config:
    seeds: int = 7
    """tasks, with a network of every width each; what varies most between them takes two or four
    times as many"""
    first: int = 3000
    """the first seed"""
    sweeps: bool = True
    """sweep learning rates (L3, L7 to L11); without, only exponents at given learning rates and the
    laws are measured"""
    transformer: bool = field(default_factory=optional.transformers)
    """measure the exponents inside a small Llama too (L13), which needs the extra llm"""
    full: bool = False
    """widths to 2^15 for the largest stable learning rate, to 1024 in the Llama, and twice as many
    seeds"""

    def __post_init__(self) -> None:
        if self.seeds < 5:
            raise ValueError(f"--seeds must be at least 5 for an interval, got {self.seeds}")
        if self.first < 0:
            raise ValueError(f"--first must not be negative, got {self.first}")
        if self.transformer and not optional.transformers():
            raise ValueError(
                "L13 needs transformers: pip install 'loralab[llm]', or pass --no-transformer."
            )

    def numbers(self, times: int = 1) -> list[int]:
        """The seeds, or some times as many."""
        return [self.first + i for i in range(self.seeds * times * (2 if self.full else 1))]


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    from proxies.families.lr_stability import evidence, tables
    from proxies.families.lr_stability.evidence.coordinates import of_coordinates
    from proxies.families.lr_stability.trials import coordinates, laws, plan

    speed = memo(laws.speed, width=1024, pairs=7)  # first, while nothing else of ours runs
    exact = memo.map(laws.exactness, [{"seed": seed} for seed in config.numbers()])
    grid = plan.powers(memo, list(plan.GRID), PAIRS, config.numbers())
    pairs = [LIMIT_A, LIMIT_B, LORA_PLUS]
    limits = plan.powers(memo, [*NAMES, "eva"], pairs, config.numbers(4))
    parts = [
        evidence.of_laws(memo(laws.theorems), exact, speed),
        evidence.of_grid(grid),
        evidence.of_limits(limits),
    ]
    data, shown = tables.of_grid(grid)
    if config.transformer:
        widths = (*LLAMA_WIDTHS, 1024) if config.full else LLAMA_WIDTHS
        inside = coordinates.collect(memo, widths, config.numbers()[:LLAMA_SEEDS])
        parts.append(of_coordinates(inside))
        shown |= tables.of_coordinates(inside)
    if config.sweeps:
        stable = plan.stable(
            memo, [2**k for k in range(9, 16 if config.full else 15)], config.numbers(2)
        )
        by_rank = plan.stable_by_rank(memo, config.numbers())
        first_step = plan.first_step(memo, config.numbers(4))
        tuned = plan.best(memo, "mup", config.numbers())
        carried = plan.carried(memo, tuned, config.numbers())
        best = {"mup": tuned.up_to(BIG[0])}
        best |= {
            name: plan.best(memo, name, config.numbers(2)) for name in ("standard", "residual")
        }
        parts += [
            evidence.of_stable(stable),
            evidence.of_ranks(by_rank),
            evidence.of_first_step(first_step),
            evidence.of_losses(best),
            evidence.of_transfer(carried),
        ]
        more = tables.of_sweeps(stable, by_rank, best, carried)
        data, shown = data | more[0], shown | more[1]
    return Evidence(evidence.joined(*parts), data, shown)


QUICK = Config(seeds=5, sweeps=False, transformer=False)
PROXY = Proxy("lr_stability", Config, CLAIMS, measure, quick=QUICK)

if __name__ == "__main__":
    PROXY.main()
