"""One factor of an adapter frozen (arXiv:2402.16842): what is exactly true of it, and when to
freeze which.

Least squares against closed forms, a layer inside small networks, and small classifiers.
"""

from dataclasses import dataclass

from loralab.flags import check_least
from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.asymmetry.claims import CLAIMS


@dataclass(frozen=True)
class Config:
    block: int = 12_000
    """first seed; every seed of the run is this one or one of the next thousand"""
    draws: int = 1000
    """of the change and the frozen factors in a case of least squares"""
    problems: int = 12
    """random problems and teacher networks: half-widths of 0.02 to 0.1 for leads of 0.03 to 0.6"""
    repeats: int = 500
    """data sets a problem of A7"""
    splits: int = 24
    """networks that are adapted to new inputs and labels: seeds below 1000 give half-widths of 0.03
    on digits and 0.015 on synthetic data, for leads of 0.03 and more"""
    pieces: int = 6
    """networks of A10, each on a disjoint part of the data: half-widths of 0.01 to 0.09 for
    differences of 0.15 and more"""
    unseen: int = 60
    """cases that the advice is scored on, of each kind"""
    single_layers: bool = True
    """adapt single layers too, to score the advice on them"""
    all_methods: bool = False
    """adapt the classifiers by every method and rank, not only by the claims' own"""

    def __post_init__(self) -> None:
        check_least(
            self,
            block=(0, "to be a seed"),
            draws=(400, "to tell a coin flip from 0.95"),
            problems=(3, "for an interval"),
            repeats=(100, "for the mean of few samples"),
            splits=(3, "for an interval"),
            pieces=(3, "for an interval"),
            unseen=(20, "for an interval"),
        )
        if self.pieces > PIECES:
            raise ValueError(f"--pieces must be at most {PIECES}, the parts of the data.")


PIECES = 6  # disjoint parts of a data set


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
    quick=Config(
        block=0,
        draws=400,
        problems=5,
        repeats=200,
        splits=6,
        pieces=3,
        unseen=30,
        single_layers=False,
    ),
    full=Config(all_methods=True),
)

if __name__ == "__main__":
    PROXY.main()
