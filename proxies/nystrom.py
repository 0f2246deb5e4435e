"""Nyström starts measured against theory.nystrom."""

from dataclasses import dataclass

import torch

from lab.claims import Check, Claim, Within
from lab.memo import Memo
from lab.proxy import Evidence, Proxy
from lab.stats import spread
from lora import SCHEMES
from theory import nystrom as theory


@dataclass(frozen=True)
class Config:
    rows: int = 60
    """rows of the target A"""
    seeds: int = 5
    """independent problems, seeded from 1000 on"""

    def __post_init__(self) -> None:
        if self.seeds < 2:
            raise ValueError(f"--seeds must be at least 2, got {self.seeds}")


CLAIMS = (
    Claim(
        "N1",
        "From the Nyström start, asymmetric ScaledGD follows one scalar recursion.",
        "derived",
        (Check("0", Within(high=1e-11)),),
    ),
)


def scalar_law(rows: int, seed: int) -> dict:
    rng = torch.Generator().manual_seed(seed)
    A = torch.randn(rows, 5, generator=rng, dtype=torch.float64) @ torch.randn(
        5, 50, generator=rng, dtype=torch.float64
    )
    X = SCHEMES["nystrom"](A, 5, rng, side="out", xi=1.0).B
    Y = torch.zeros(50, 5, dtype=torch.float64)
    Y = Y + 0.5 * A.mT @ torch.linalg.pinv(X).mT
    return {"error": abs(((X @ Y.mT - A).norm() / A.norm()).item() - abs(theory.scalar_law(0.5, 1)[1] - 1))}


def measure(config: Config, memo: Memo) -> Evidence:
    cells = memo.map(scalar_law, [{"rows": config.rows, "seed": 1000 + i} for i in range(config.seeds)])
    errors = [cell["error"] for cell in cells]
    return Evidence({"N1": [spread(errors)]}, {"errors": errors}, {})


PROXY = Proxy("nystrom", Config, CLAIMS, measure, quick=Config(seeds=2))

if __name__ == "__main__":
    PROXY.main()
