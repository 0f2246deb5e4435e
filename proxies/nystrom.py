"""Nyström initializations (NyGD, NoRA; arXiv:2410.18965) measured against their exact laws.

Matrix factorisation in float64 with planted spectra: A = U S V^T has singular values from 1 down to
1/condition.
"""

from dataclasses import dataclass

from loralab.flags import check_least
from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.nystrom.claims import CLAIMS


@dataclass(frozen=True)
class Config:
    rows: int = 60
    """rows of the target A, and of the symmetric target"""
    columns: int = 50
    """columns of A"""
    rank: int = 6
    """rank of A; over-parameterised runs use twice as much"""
    seeds: int = 20
    """independent problems per setting, twice as many where values vary; at 40 the step ratio of
    N11, of standard deviation 0.024 in logarithms, is known to 0.8 % and the first error's, of
    0.015 at overlap 0, to 0.5 %, with a margin of 3 %"""
    block: int = 10_000
    """first seed; those below 1000 are for exploration"""
    weights: int = 8
    """weights that are decomposed for N13, at most --seeds; the ratios of times vary by 10 %"""
    steps: int = 400
    """a run that has not converged by then counts as never"""
    draws: int = 8000
    """random initializations per rank for the frequency of failure: a half is known to 0.011, or
    0.013 at a second look, with a margin of 0.03"""
    peft: bool = True
    """measure PEFT's implementations too (N14), which needs the extra llm"""
    timing: bool = True
    """measure the times of N13b, which need a machine that does nothing else"""

    def __post_init__(self) -> None:
        smallest = min(self.rows, self.columns)
        if not 2 <= self.rank <= smallest // 2:
            raise ValueError(
                f"--rank must be from 2 to half of min(--rows, --columns) = {smallest}, because "
                f"twice the rank is run too; got {self.rank}."
            )
        check_least(
            self,
            seeds=(3, "for an interval"),
            steps=(100, "for the linear rates"),
            block=(0, ""),
            draws=(800, "for an interval of 0.035"),
        )
        if not 2 <= self.weights <= self.seeds:
            raise ValueError(
                f"--weights must be from 2 to --seeds = {self.seeds}, got {self.weights}."
            )


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    from proxies.families.nystrom.evidence import evidence
    from proxies.families.nystrom.tables import figure_data, tables
    from proxies.families.nystrom.trials.plan import collect

    trials = collect(config, memo)
    return Evidence(evidence(trials, config.timing), figure_data(trials), tables(trials))


PROXY = Proxy(
    "nystrom",
    Config,
    CLAIMS,
    measure,
    quick=Config(block=0, seeds=6, weights=2, draws=4000, timing=False),
)

if __name__ == "__main__":
    PROXY.main()
