"""One factor of an adapter frozen (arXiv:2402.16842): what is exactly true of it, and when to
freeze which.

Least squares against closed forms, a layer inside small networks, digits, memory, and what released
names mean.
"""

from dataclasses import dataclass

from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.asymmetry.claims import CLAIMS


@dataclass(frozen=True)
class Config:
    draws: int = 1000
    """random problems a trial of least squares"""
    repeats: int = 40
    """data sets a problem of A7"""
    seeds: int = 6
    """networks, teachers and problems, seeded 1000, 1001, ..."""
    steps: int = 200
    """of Adam, for the comparison on digits"""
    unseen: int = 40
    """cases that the advice on freezing is scored on, of each kind"""
    thorough: bool = True
    """on digits compare every initialization of the factors, not only the claims' own, and adapt
    single layers (A15)"""

    def __post_init__(self) -> None:
        for name, least, reason in (
            ("draws", 400, "to tell a coin flip from 0.35"),
            ("repeats", 20, "for a standard error"),
            ("seeds", 5, "for an interval"),
            ("steps", 50, "for the networks to learn"),
            ("unseen", 20, "for an interval"),
        ):
            if (value := getattr(self, name)) < least:
                raise ValueError(f"--{name} must be at least {least} {reason}, got {value}.")


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    from proxies.families.asymmetry.evidence import evidence
    from proxies.families.asymmetry.tables import figure_data, tables
    from proxies.families.asymmetry.trials.plan import collect

    found = collect(config, memo)
    return Evidence(evidence(found), figure_data(found), tables(found))


PROXY = Proxy(
    "asymmetry",
    Config,
    CLAIMS,
    measure,
    quick=Config(draws=400, repeats=20, seeds=5, steps=100, unseen=20, thorough=False),
)

if __name__ == "__main__":
    PROXY.main()
