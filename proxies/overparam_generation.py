"""Over-parameterised LoRA (OP-LoRA, arXiv:2412.10362) on image generation: digits by flow matching.

A base model that draws the digits 0 to 4 is adapted to the digits 5 to 9, or to the digits 0 to 4
inverted, by LoRA, OP-LoRA, DoRA and OP-DoRA on all of its four layers. Every method and rank has a
sweep of learning rates, all learning rates and seeds as one batch, extended until its optimum and
its window of good learning rates are inside. Images are compared with real ones by CMMD as it is
defined and by an MMD with the median bandwidth, in the features of a classifier.
"""

from dataclasses import dataclass

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.overparam_generation.claims import CLAIMS


@dataclass(frozen=True)
class Config:
    seeds: int = 12
    """splits of the new classes, initializations and noises, seeded 3000, 3001, ..., each the same
    for every method"""
    style_seeds: int = 6
    """splits of the new style, initializations and noises; 0 leaves it out"""
    steps: int = 600
    """training steps of an adapter by Adam, on batches of 64, the learning rate falling to zero"""
    pretraining: int = 10_000
    """training steps of the base model, on batches of 256"""

    dora: bool = True
    """also run DoRA and OP-DoRA"""
    timing: bool = True
    """time what making the factors takes of a step (OP16b)"""

    def __post_init__(self) -> None:
        for name, least, reason in (
            ("seeds", 5, "for an interval"),
            ("steps", 100, "for the adapters to learn"),
            ("pretraining", 500, "for the base model to draw digits"),
        ):
            if getattr(self, name) < least:
                raise ValueError(
                    f"--{name} must be at least {least} {reason}, got {getattr(self, name)}"
                )
        if self.style_seeds and self.style_seeds < 5:
            raise ValueError(
                f"--style_seeds must be 0 or at least 5 for an interval, got {self.style_seeds}"
            )


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    from proxies.families.overparam_generation import tables
    from proxies.families.overparam_generation.evidence import evidence
    from proxies.families.overparam_generation.trials.plan import NEW, STYLE, collect

    seeds = {NEW: config.seeds, STYLE: config.style_seeds}
    found = collect(memo, config.pretraining, config.steps, seeds, config.dora, config.timing)
    return Evidence(evidence(found), tables.data(found), tables.tables(found))


PROXY = Proxy(
    "overparam_generation",
    Config,
    CLAIMS,
    measure,
    quick=Config(seeds=5, style_seeds=0, steps=300, pretraining=2000, dora=False, timing=False),
)

if __name__ == "__main__":
    PROXY.main()
