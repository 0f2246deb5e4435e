"""Nyström initializations (NyGD, NoRA; arXiv:2410.18965) measured against their exact laws.

Matrix factorisation in float64 with planted spectra: A = U S V^T has singular values from 1 down to
1/condition.
"""

from dataclasses import dataclass

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
    seeds: int = 10
    """independent problems per setting, seeded 1000, 1001, ..."""
    steps: int = 400
    """a run that has not converged by then counts as never"""
    draws: int = 1000
    """random initializations per rank for the frequency of failure"""
    peft: bool = True
    """measure PEFT's implementations too (N14), which needs the extra llm"""
    timing: bool = True
    """measure the times of N13, which need a machine that does nothing else"""

    def __post_init__(self) -> None:
        smallest = min(self.rows, self.columns)
        if not 2 <= self.rank <= smallest // 2:
            raise ValueError(
                f"--rank must be from 2 to half of min(--rows, --columns) = {smallest}, because "
                f"twice the rank is run too; got {self.rank}."
            )
        if self.seeds < 3:
            raise ValueError(f"--seeds must be at least 3 for an interval, got {self.seeds}.")
        if self.steps < 100:
            raise ValueError(
                "--steps must be at least 100, as the linear rates need that many; got "
                f"{self.steps}."
            )
        if self.draws < 800:
            raise ValueError(
                f"--draws must be at least 800 to tell one half from 0.4 and 0.6, got {self.draws}."
            )


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    from proxies.families.nystrom.evidence import evidence
    from proxies.families.nystrom.tables import figure_data, tables
    from proxies.families.nystrom.trials.plan import collect

    trials = collect(config, memo)
    return Evidence(evidence(trials, config.timing), figure_data(trials), tables(trials))


PROXY = Proxy("nystrom", Config, CLAIMS, measure, quick=Config(seeds=3, draws=800, timing=False))

if __name__ == "__main__":
    PROXY.main()
