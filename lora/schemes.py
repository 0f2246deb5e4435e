"""Initialisation schemes: where the factors (B, A) of the update s B A of a frozen weight W start.

A scheme is a pure function of the weight and a generator: it touches no module, no device state and never the
global generator. W is (out, in), B is (out, r), A is (r, in). Where a start has B A != 0 the layer carries it
as a frozen pair, so every scheme begins at the pretrained function; a scheme never changes W.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Generator, Tensor


class Factors(NamedTuple):
    """B is (out, r) and A is (r, in), in the paper's order of the product B A."""

    B: Float[Tensor, "out r"]
    A: Float[Tensor, "r in"]


@dataclass(frozen=True)
class Scheme:
    """A row of `SCHEMES`: the rule, what it needs to see, and where it comes from.

    `needs` is "nothing" (only the shape of W), "weight", "inputs" or "gradient"; `source` an arXiv id or "derived".
    """

    rule: Callable[..., Factors]
    needs: Literal["nothing", "weight", "inputs", "gradient"]
    source: str

    def __call__(
        self,
        W: Tensor,
        rank: int,
        rng: Generator | None = None,
        stats: Any = None,
        scale: float = 1.0,
        **options: Any,
    ) -> Factors:
        """The factors for one weight W (out, in), in its dtype and on its device.

        `scale` is s of the update s B A; `stats` is for schemes that need data and is ignored by the others;
        `rng` defaults to a generator seeded with 0, and its draws do not depend on W's device. Half-precision
        weights are handled in float32 and the factors cast once at the end.

        Raises ValueError for a rank outside 1..min(out, in), a non-finite W, or a scale that is not positive.
        """
        del stats
        if W.ndim != 2:
            raise ValueError(f"W must be a matrix (out, in), got shape {tuple(W.shape)}")
        if isinstance(rank, bool) or not isinstance(rank, int) or not 1 <= rank <= min(W.shape):
            raise ValueError(f"rank must be an integer from 1 to min(out, in) = {min(W.shape)}, got {rank!r}")
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"scale must be positive and finite, got {scale!r}")
        if self.needs != "nothing" and (bad := int((~W.isfinite()).sum())):
            raise ValueError(f"W must be finite, got {bad} entries that are NaN or infinite")
        rng = Generator().manual_seed(0) if rng is None else rng
        working = W.detach().to(torch.promote_types(W.dtype, torch.float32))
        B, A = _revived(*self.rule(working, rank, rng, scale, **options), rng)
        return Factors(B.to(W.dtype), A.to(W.dtype))


def _normal(W: Tensor, *shape: int, rng: Generator) -> Tensor:
    return torch.randn(*shape, generator=rng, dtype=W.dtype, device=rng.device).to(W.device)


def _uniform(W: Tensor, *shape: int, bound: float, rng: Generator) -> Tensor:
    unit = torch.rand(*shape, generator=rng, dtype=W.dtype, device=rng.device).to(W.device)
    return (2 * unit - 1) * bound


def init_a(W: Tensor, rank: int, rng: Generator, scale: float) -> Factors:
    """B = 0 and A_ij ~ U(-1/sqrt(in), 1/sqrt(in)): the default everywhere (arXiv:2106.09685 as in its code)."""
    A = _uniform(W, rank, W.shape[1], bound=W.shape[1] ** -0.5, rng=rng)
    return Factors(W.new_zeros(W.shape[0], rank), A)


def init_b(W: Tensor, rank: int, rng: Generator, scale: float) -> Factors:
    """A = 0 and B_ij ~ U(-1/sqrt(r), 1/sqrt(r)), the same rule at B's own fan-in (arXiv:2406.08447, Init[B])."""
    B = _uniform(W, W.shape[0], rank, bound=rank**-0.5, rng=rng)
    return Factors(B, W.new_zeros(rank, W.shape[1]))


def gaussian(W: Tensor, rank: int, rng: Generator, scale: float) -> Factors:
    """B = 0 and A_ij ~ N(0, 1/r^2), the convention of image-generation trainers (not stable in width)."""
    return Factors(W.new_zeros(W.shape[0], rank), _normal(W, rank, W.shape[1], rng=rng) / rank)


def orthogonal(W: Tensor, rank: int, rng: Generator, scale: float) -> Factors:
    """B = 0 and A with orthonormal rows, Haar-distributed (the frozen A of arXiv:2402.16842)."""
    return Factors(W.new_zeros(W.shape[0], rank), _orthonormal_columns(W, W.shape[1], rank, rng).mT.contiguous())


def pissa(W: Tensor, rank: int, rng: Generator, scale: float) -> Factors:
    """s B A is the best rank-r approximation of W, split as U (S/s)^1/2 and (S/s)^1/2 V^T (arXiv:2404.02948)."""
    return _balanced_triplets(W, rank, scale, top=True)


def milora(W: Tensor, rank: int, rng: Generator, scale: float) -> Factors:
    """As `pissa` with the r smallest of the min(out, in) singular triplets (arXiv:2406.09044)."""
    return _balanced_triplets(W, rank, scale, top=False)


def nystrom(W: Tensor, rank: int, rng: Generator, scale: float, xi: float = 0.1, side: str = "in") -> Factors:
    """A sketch of W on one side, zero on the other (NoRA, arXiv:2410.18965, with the released code's scale xi/s).

    side "in" gives A = (xi/s) N W with N (r, out), whose rows lie in the row space of W, and B = 0; side "out"
    gives B = (xi/s) W N with N (in, r), the paper's X0 = W Omega, and A = 0. N is standard normal.
    """
    if not (math.isfinite(xi) and xi > 0):
        raise ValueError(f"nystrom: xi must be positive and finite, got {xi!r}")
    out, in_ = W.shape
    if side == "in":
        return Factors(W.new_zeros(out, rank), xi / scale * _normal(W, rank, out, rng=rng) @ W)
    if side == "out":
        return Factors(xi / scale * W @ _normal(W, in_, rank, rng=rng), W.new_zeros(rank, in_))
    raise ValueError(f'nystrom: side must be "in" or "out", got {side!r}')


def _orthonormal_columns(W: Tensor, rows: int, columns: int, rng: Generator) -> Tensor:
    Q, R = torch.linalg.qr(_normal(W, rows, columns, rng=rng))
    return Q * torch.where(R.diagonal() < 0, -1, 1)  # the sign fix makes the QR of a Gaussian Haar-distributed


def _balanced_triplets(W: Tensor, rank: int, scale: float, top: bool) -> Factors:
    U, S, Vh = torch.linalg.svd(W, full_matrices=False)
    chosen = slice(None, rank) if top else slice(len(S) - rank, None)
    noise = torch.finfo(W.dtype).eps * max(W.shape) * S[0]  # the usual cut of numerical rank
    root = torch.where(S[chosen] > noise, S[chosen] / scale, 0).sqrt()
    return Factors(U[:, chosen] * root, root[:, None] * Vh[chosen])


def _revived(B: Tensor, A: Tensor, rng: Generator) -> Factors:
    """The factors with every dead direction started at random in A, as `init_a` would.

    Where a column of B and its row of A both vanish (a rank-deficient W) neither would ever receive a gradient.
    """
    dead = (B.norm(dim=0) + A.norm(dim=1)) == 0
    if not dead.any():
        return Factors(B, A)
    warnings.warn(
        f"{int(dead.sum())} of the {len(dead)} directions asked for vanish in this weight; they start at random",
        stacklevel=3,
    )
    fresh = _uniform(A, *A.shape, bound=A.shape[1] ** -0.5, rng=rng)
    return Factors(B, torch.where(dead[:, None], fresh, A))


SCHEMES = {
    "init_a": Scheme(init_a, "nothing", "2106.09685"),
    "init_b": Scheme(init_b, "nothing", "2406.08447"),
    "gaussian": Scheme(gaussian, "nothing", "2106.09685"),
    "orthogonal": Scheme(orthogonal, "nothing", "2402.16842"),
    "pissa": Scheme(pissa, "weight", "2404.02948"),
    "milora": Scheme(milora, "weight", "2406.09044"),
    "nystrom": Scheme(nystrom, "weight", "2410.18965"),
}
