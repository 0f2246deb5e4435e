"""What each initialisation scheme claims beyond the contract, as data for `lora.testing.check_scheme`."""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Laws:
    """What a scheme claims beyond the contract, with s the scale; None and False claim nothing.

    full_rank      a factor that is not zero has rank r
    zero_product   B A = 0
    orthonormal    of "A", "B" or "AB": the rows of A, the columns of B, up to one common length each
    balanced       B^T B = A A^T
    best           s B A is the best rank-r approximation of W
    weight         (b, a): W -> c W takes (B, A) to (c^b B, c^a A)
    gradient       the same for G -> c G with Q -> c^2 Q
    scale          the same for s -> c s
    rotations      W -> L W R^T, the statistics turned alike, takes B B^T to L B B^T L^T and A^T A to R A^T A R^T, for
                   "both" or for "left" alone (R = I)
    """

    full_rank: bool = True
    zero_product: bool = False
    orthonormal: Literal["", "A", "B", "AB"] = ""
    balanced: bool = False
    best: bool = False
    weight: tuple[float, float] | None = None
    gradient: tuple[float, float] | None = None
    scale: tuple[float, float] | None = None
    rotations: Literal["", "left", "both"] = ""


BLIND = Laws(weight=(0, 0), gradient=(0, 0), scale=(0, 0))
SPECTRAL = Laws(balanced=True, weight=(0.5, 0.5), gradient=(0, 0), scale=(-0.5, -0.5), rotations="both")
LAWS = {
    "init_a": replace(BLIND, zero_product=True),
    "init_b": replace(BLIND, zero_product=True),
    "gaussian": replace(BLIND, zero_product=True),
    "orthogonal": replace(BLIND, zero_product=True, orthonormal="A"),
    "pissa": replace(SPECTRAL, best=True),
    "milora": SPECTRAL,
    "olora": replace(BLIND, orthonormal="B", weight=(0, 1), rotations="left"),
    "mica": replace(BLIND, zero_product=True, orthonormal="B", rotations="both"),
    "nystrom": replace(BLIND, zero_product=True, weight=(0, 1), scale=(0, -1)),
    "eva": replace(BLIND, zero_product=True, orthonormal="A", rotations="both"),
    "corda": replace(SPECTRAL, balanced=False),
    "lora_ga": replace(BLIND, orthonormal="AB", rotations="both"),
    "lora_one": replace(BLIND, balanced=True, rotations="both"),
    "nystrom_grad": replace(BLIND, zero_product=True),
    "gradient_signal": replace(BLIND, zero_product=True, orthonormal="A", rotations="both"),
    "tsd_init": SPECTRAL,
}
