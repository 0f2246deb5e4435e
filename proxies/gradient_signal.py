"""The expected gradient signal of EVA (arXiv:2410.07170) measured against theory, other
initializations and released code.

Synthetic populations of known spectra, a small network on scikit-learn's digits, and MiniLM-L6 on
real text.
"""

from dataclasses import dataclass, field

from loralab.flags import check_least
from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.gradient_signal.claims import CLAIMS
from proxies.families.gradient_signal.claims.setting import BUDGETS, MOST
from proxies.instruments import optional


@dataclass(frozen=True)
class Config:
    block: int = 13_000
    """first seed; every seed of data, splits, networks and initializations is this one plus a
    number"""
    seeds: int = 8
    """independent problems per law"""
    samples: int = 256
    """samples of a population for E1b and E1c; the error of a subspace varies by as much as itself
    from one to the next, so 256 give a ratio of means to 10 %"""
    runs: int = 16
    """splits of the digits on which every initialization is compared after training. The logarithm
    of EVA's loss over the default's has a standard deviation of 0.07 after 10 steps and 0.35 after
    40; as the splits share digits, more of them than 16 hardly make the interval shorter"""
    independent: int = 8
    """sets of photograph patches, and of texts, on which every initialization is compared after
    training: that logarithm has standard deviations of 0.04 to 0.07, and 0.07 to 0.1"""
    steps: int = BUDGETS[-1]
    """longest training; of 10, 40 and 160 steps those up to it are compared"""
    peft: bool = True
    """compare with PEFT's EVA (E6, E8b), which needs the extra llm"""
    peft_seeds: int = 8
    """models and texts on which PEFT's EVA is compared"""
    text: bool = field(default_factory=optional.minilm)
    """measure MiniLM on text too: by default where it is installed, by the extra llm"""
    parts: int = 24
    """disjoint sets of texts on which MiniLM's layers are measured: the logarithm of a share over
    EVA's has a standard deviation of 0.04 to 0.05"""

    def __post_init__(self) -> None:
        names = ("seeds", "samples", "runs", "independent", "peft_seeds", "parts")
        check_least(
            self,
            **dict.fromkeys(names, (3, "for an interval")),
            steps=(BUDGETS[1], "for the budgets that E9c is about"),
        )
        if self.independent > MOST:
            raise ValueError(
                f"--independent must be at most {MOST}, for which there is data, got "
                f"{self.independent}."
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
    quick=Config(
        block=0,
        seeds=3,
        samples=64,
        runs=12,
        independent=6,
        steps=BUDGETS[1],
        peft=False,
        text=False,
    ),
)

if __name__ == "__main__":
    PROXY.main()
