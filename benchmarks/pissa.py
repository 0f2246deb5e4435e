"""The PiSSA start of one square weight: ours, by a randomised SVD, beside a full SVD, in one
process.

    python benchmarks/pissa.py [--size 2048] [--pairs 5]

The weight is a Gaussian bulk, halved, with 128 spikes 8 j^-0.7, in float32. A full SVD costs some
20 n^3 operations, the randomised one (4 power iterations, q = 4 r columns) about 20 n^2 q, so their
ratio grows like n; the bar is 50 at 4096, where a full SVD takes up to minutes on one core, and in
proportion elsewhere. Runs are interleaved and the ratio is that of the fastest of each, since other
load only ever adds. Beside it: the mean cos^2 between our r = 16 left singular directions and the
true ones, which must be at least 0.998. Exits 1 when one misses its bar.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import tyro
from rich.console import Console
from rich.table import Table
from torch import Generator, Tensor

import lora

RANK = 16
SPEED, SIZE_OF_SPEED, COS2 = 50, 4096, 0.998


@dataclass(frozen=True)
class Config:
    size: int = 2048
    """rows and columns of the weight; 4096 takes minutes"""
    pairs: int = 5
    """runs of each, interleaved"""

    def __post_init__(self) -> None:
        if self.size <= 512:
            raise ValueError(
                f"--size must be above 512, up to which both are the same, got {self.size}"
            )
        if self.pairs < 1:
            raise ValueError(f"--pairs must be at least 1, got {self.pairs}")


def spiked(n: int) -> Tensor:
    rng = Generator().manual_seed(0)
    bulk, left, right = (torch.randn(n, columns, generator=rng) for columns in (n, 128, 128))
    U, V = torch.linalg.qr(left).Q, torch.linalg.qr(right).Q
    return bulk / n**0.5 / 2 + U * (8 * torch.arange(1, 129) ** -0.7) @ V.mT


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def main(config: Config) -> int:
    torch.set_num_threads(1)
    W = spiked(config.size)
    start = lambda: lora.SCHEMES["pissa"](W, RANK)
    start()  # warms up
    ours, full = [], []
    for _ in range(config.pairs):
        took, factors = timed(start)
        ours.append(took)
        took, triplets = timed(lambda: torch.linalg.svd(W, full_matrices=False))
        full.append(took)
    found = factors.B / factors.B.norm(dim=0)
    cos2 = float((triplets[0][:, :RANK].mT @ found).square().sum() / RANK)
    ratio = min(full) / min(ours)
    bar = SPEED * config.size / SIZE_OF_SPEED
    ratios = sorted(b / a for a, b in zip(ours, full, strict=True))
    table = Table(f"{config.size} x {config.size}, rank {RANK}", "measured", "all pairs", "bar")
    table.add_row(
        "full SVD / ours", f"{ratio:.1f}", f"{ratios[0]:.1f} to {ratios[-1]:.1f}", f">= {bar:.1f}"
    )
    table.add_row("mean cos^2", f"{cos2:.5f}", "exact", f">= {COS2}")
    Console().print(table)
    print(f"fastest: ours {min(ours):.3f} s, full SVD {min(full):.2f} s")
    return 0 if ratio >= bar and cos2 >= COS2 else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Config)))
