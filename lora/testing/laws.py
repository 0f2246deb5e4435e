"""What each initialization scheme claims beyond the contract, as data for
`lora.testing.check_scheme`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from lora.schemes import Factors
from lora.statistics import Statistics

Objective = Callable[[Factors, Tensor, Statistics, float], Tensor]


@dataclass(frozen=True)
class Laws:
    """What a scheme claims beyond the contract, with s the scale; None and False claim nothing.

    Args:
        full_rank: a factor that is not zero has rank r.
        orthonormal: of "A", "B" or "AB": the rows of A, the columns of B, up to one common length
            each.
        balanced: B^T B = A A^T.
        least: a quantity (factors, W, stats, s), of the size of 1, that no other factors of rank r
            make smaller, whatever their length and angles.
        weight: (b, a): W -> c W takes (B, A) to (c^b B, c^a A).
        gradient: the same for G -> c G with Q -> c^2 Q.
        scale: the same for s -> c s.
        rotations: W -> L W R^T, the statistics turned alike, takes B B^T to L B B^T L^T and A^T A
            to R A^T A R^T: for "both", or for "left" (R = I) or "right" (L = I) and, below the
            largest rank, not for the other.
        in_weight: of "A", "B" or "AB": the rows of A are in the row space of W, the columns of B in
            its range.
        in_gradient: the same for G.
        random: other seeds of the random generator give other factors.
        sketch: "A": A = N W with an N of the random generator alone, so that turning N with W turns
            nothing; "B": B = W N.
    """

    full_rank: bool = True
    orthonormal: Literal["", "A", "B", "AB"] = ""
    balanced: bool = False
    least: Objective | None = None
    weight: tuple[float, float] | None = None
    gradient: tuple[float, float] | None = None
    scale: tuple[float, float] | None = None
    rotations: Literal["", "left", "right", "both"] = ""
    in_weight: Literal["", "A", "B", "AB"] = ""
    in_gradient: Literal["", "A", "B", "AB"] = ""
    random: bool = False
    sketch: Literal["", "A", "B"] = ""


def error(F: Factors, W: Tensor, stats: Statistics, s: float) -> Tensor:
    """|W - s B A| / |W|."""
    return torch.linalg.matrix_norm(W - s * F.B @ F.A) / torch.linalg.matrix_norm(W)


def error_by_inputs(
    F: Factors, W: Tensor, stats: Statistics, s: float, damping: float = 0.01
) -> Tensor:
    """|(W - s B A) P| / |W P| with P = M / (Tr M / in) + damping I (arXiv:2406.05223)."""
    M = stats.second_moment
    P = M / M.diagonal().mean() + damping * torch.eye(len(M), dtype=M.dtype)
    return torch.linalg.matrix_norm((W - s * F.B @ F.A) @ P) / torch.linalg.matrix_norm(W @ P)


def variance_missed(F: Factors, W: Tensor, stats: Statistics, s: float) -> Tensor:
    """1 - Tr(C P) / Tr C, with P the projector on the row space of A."""
    return _missed(F.A, stats.covariance)


def signal_missed(F: Factors, W: Tensor, stats: Statistics, s: float) -> Tensor:
    """1 - Tr(Q P) / Tr Q, with P the projector on the row space of A."""
    assert stats.weighted_second_moment is not None
    return _missed(F.A, stats.weighted_second_moment)


def _missed(A: Tensor, moment: Tensor) -> Tensor:
    V = torch.linalg.qr(A.mT).Q
    return 1 - (V.mT @ moment @ V).trace() / moment.trace()


BLIND = Laws(weight=(0, 0), gradient=(0, 0), scale=(0, 0))
SPECTRAL = Laws(
    balanced=True, weight=(0.5, 0.5), gradient=(0, 0), scale=(-0.5, -0.5), rotations="both"
)
LAWS = {
    "init_a": replace(BLIND, random=True),
    "init_b": replace(BLIND, random=True),
    "gaussian": replace(BLIND, random=True),
    "orthogonal": replace(BLIND, orthonormal="A", random=True),
    "pissa": replace(SPECTRAL, least=error, in_weight="AB"),
    "milora": SPECTRAL,
    "olora": replace(BLIND, orthonormal="B", weight=(0, 1), rotations="left", in_weight="AB"),
    "mica": replace(BLIND, orthonormal="B", rotations="both"),
    "nystrom": replace(
        BLIND,
        random=True,
        weight=(0, 1),
        scale=(0, -1),
        rotations="right",
        in_weight="A",
        sketch="A",
    ),
    "eva": replace(BLIND, orthonormal="A", rotations="both", least=variance_missed),
    "corda": replace(SPECTRAL, balanced=False, least=error_by_inputs, in_weight="AB"),
    "lora_ga": replace(BLIND, orthonormal="AB", rotations="both", in_gradient="AB"),
    "lora_one": replace(BLIND, balanced=True, rotations="both", in_gradient="AB"),
    "nystrom_grad": replace(BLIND, rotations="right", in_gradient="A", random=True),
    "gradient_signal": replace(BLIND, orthonormal="A", rotations="both", least=signal_missed),
    "tsd_init": replace(SPECTRAL, in_weight="AB"),
}
