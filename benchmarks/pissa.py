"""The PiSSA initialization of one square weight in float32: ours, by a randomised SVD, beside a
full SVD.

The weight is a Gaussian bulk, halved, with 128 spikes 8 j^-0.7. A full SVD costs some 20 n^3
operations, the randomised one (block Krylov, q = 5 r columns) about 4 n^2 q, so their ratio
grows like n. Beside it: the mean cos^2 between our r = 16 left singular directions and the true
ones.
"""

from collections.abc import Mapping

import torch
from torch import Generator, Tensor

import lora
from benchmarks.harness.clocks import Action, interleaved
from benchmarks.harness.rows import Quantity, Row, Setting
from benchmarks.life_cycle import cos2

SIZE, RANK = 2048, 16


def spiked(n: int) -> Tensor:
    rng = Generator().manual_seed(0)
    bulk, left, right = (torch.randn(n, columns, generator=rng) for columns in (n, 128, 128))
    U, V = torch.linalg.qr(left).Q, torch.linalg.qr(right).Q
    return bulk / n**0.5 / 2 + U * (8 * torch.arange(1, 129) ** -0.7) @ V.mT


def weight(setting: Setting) -> Tensor:
    return spiked(160 if setting.toy else SIZE)


def timed(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    W = weight(setting)
    every = {
        "full SVD": Action(lambda _: torch.linalg.svd(W, full_matrices=False)),
        "ours": Action(lambda _: lora.SCHEMES["pissa"](W, RANK)),
    }
    return interleaved({name: every[name] for name in wanted}, setting)


def directions(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    W = weight(setting)
    return {name: [cos2(lora.SCHEMES["pissa"](W, RANK).B, W)] for name in wanted}


ROWS = (
    Row(f"pissa of {SIZE} x {SIZE}", "full SVD", "ours", timed, 25, ">="),
    Row(f"pissa of {SIZE} x {SIZE}", "cos^2", None, directions, 0.998, ">=", "mean", exact=True),
)
