"""How a training of OP-LoRA proceeds on a language model: `python -m scaling.studies.dynamics`.

OP-LoRA's generator networks multiply the learning rate. Every step of a training of SmolLM2-135M is
followed, layer by layer: by how much, and whether that grows while gradients agree. The default
size has a run of 40 steps for each of six seeds, some ten minutes of two cores.
"""

from dataclasses import dataclass

from loralab.flags import check_least
from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from scaling.studies.claims.dynamics import CLAIMS
from scaling.studies.claims.language.checks import STEPS


@dataclass(frozen=True)
class Config:
    """The size of the study."""

    steps: int = STEPS
    """Training steps of a run, of 256 tokens."""
    seeds: int = 6
    """Seeds, a run each. A seed draws the text, its split, the network and the order of the
    batches."""
    block: int = 41_000
    """First seed; the seeds are those from there on."""

    def __post_init__(self) -> None:
        check_least(self, steps=(1, ""), seeds=(1, ""), block=(0, ""))

    @property
    def reduced(self) -> bool:
        """Too small for intervals over seeds."""
        return self.seeds < 3 or self.steps < 4  # steps: two that are compared


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    from scaling.comparison.driver import mapped
    from scaling.studies import tables
    from scaling.studies.evidence.dynamics import Watched, evidence, nothing
    from scaling.studies.trials import language
    from scaling.studies.trials.dynamics import effective_rates
    from scaling.studies.trials.methods import BEST, METHODS

    shared = language.run("text", config.steps, config.block, limit=2 if config.reduced else None)
    run = shared.replace(**METHODS["OP-LoRA"], lr=BEST["OP-LoRA"])
    seeds = range(config.block, config.block + config.seeds)
    found = mapped(effective_rates, [run.replace(seed=seed) for seed in seeds], memo)
    runs = [Watched(**each) for each in found]
    shown = {tables.FACTORS: tables.factors(runs[0])}
    if config.reduced:
        return Evidence(nothing(), {}, shown)
    return Evidence(evidence(runs), tables.dynamics(runs), shown)


PROXY = Proxy(
    "dynamics",
    Config,
    CLAIMS,
    measure,
    quick=Config(steps=2, seeds=1, block=0),
    package="scaling.studies",
)

if __name__ == "__main__":
    PROXY.main()
