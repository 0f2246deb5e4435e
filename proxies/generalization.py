"""Bounds on the generalization gap of adapters (arXiv:2402.16842 and sharper ones) against the gap
itself.

Problems so small that every training sample can be enumerated, and PAC-Bayes certificates of
adapters of 8 x 8 images.
"""

from dataclasses import dataclass

from loralab.flags import check_least
from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from proxies.families.generalization.claims import CLAIMS


@dataclass(frozen=True)
class Config:
    seeds: int = 12
    """independent problems; the ratio of gaps with A alone, of standard deviation 1.1 in
    logarithms, is known to 0.83 at a second look, and is 1.1 away from no difference"""
    block: int = 10_000
    """first seed; those below 1000 are for exploration"""
    samples: int = 6
    """training samples of the largest problem; all numbers from 2 up to it are run"""
    supersamples: int = 200
    """supersamples drawn for each problem"""
    splits: int = 10
    """splits of the digits; more of them hardly narrow an interval, as they share their images"""
    images: int = 8
    """independent samples of drawn images: bounds of standard deviation 0.04 are known to 0.03"""
    steps: int = 600
    """training steps of an adapter of images"""
    draws: int = 400
    """draws of a posterior for its mean error"""

    def __post_init__(self) -> None:
        check_least(
            self,
            seeds=(3, "for an interval"),
            supersamples=(30, "for a standard error"),
            splits=(2, "for an interval"),
            images=(2, "for an interval"),
            block=(0, ""),
            steps=(1, ""),
            draws=(1, ""),
        )
        if not 2 <= self.samples <= 6:
            raise ValueError(
                f"--samples must be from 2 to 6, as 7 make two million samples; got {self.samples}."
            )


def measure(config: Config, memo: Memo) -> Evidence:
    # torch and more, which no --help should wait for
    from proxies.families.generalization import tables
    from proxies.families.generalization.evidence import evidence
    from proxies.families.generalization.trials.plan import collect

    found = collect(config, memo)
    return Evidence(
        evidence(found, config.samples), tables.data(found), tables.tables(found, config.samples)
    )


PROXY = Proxy(
    "generalization",
    Config,
    CLAIMS,
    measure,
    quick=Config(block=0, seeds=6, samples=5, supersamples=60, splits=3, images=3, steps=250),
)

if __name__ == "__main__":
    PROXY.main()
