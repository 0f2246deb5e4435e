"""What an update does to the singular values and vectors of each weight.

Of W (out, in), the update dW = U diag(s) V^T of rank r and the adapted weight W' = W + dW:

    effective rank   exp(-sum_i p_i log p_i), p_i = s_i / sum_j s_j     (Roy and Vetterli, 2007)
    intruders        #{j <= top : max_i |cos(u'_j, u_i)| < epsilon}     (2410.21228, algorithm 1)

with u'_j the leading left singular vectors of W' and u_i all of W whose singular values are above
rounding. The null is the same count for Q diag(s) P^T, Q and P random with orthonormal columns
(Haar): a change of the same norms and rank that knows nothing of W or of the data. Only what
exceeds it says something of training. Where singular values of W coincide their vectors, and so the
counts, are not defined.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lora.bases import weight_of
from lora.finite import bad_entries
from lora.layer import LoRALinear
from lora.model import adapters
from lora.perturbed import leading

ROUNDING = 2.0**-22  # of s in float64, where s^2 is known to 2^-52 of the largest, times some 100


@dataclass(frozen=True)
class LayerSpectrum:
    """One adapted layer.

    Args:
        name: in the model.
        shape: of W, (out, in).
        rank: of the update, numerically.
        update: Frobenius norm of dW.
        update_spectral: its largest singular value.
        weight: Frobenius norm of W.
        weight_spectral: its largest singular value.
        effective_rank: of dW, from 1 to `rank`; 0 where dW = 0.
        intruders: of the leading singular vectors of W', how many are new.
        null: how many are for a random change, the mean over draws.
        null_std: standard deviation of the draws; NaN of fewer than two.
    """

    name: str
    shape: tuple[int, int]
    rank: int
    update: float
    update_spectral: float
    weight: float
    weight_spectral: float
    effective_rank: float
    intruders: int
    null: float
    null_std: float


@dataclass(frozen=True)
class Spectrum:
    """The layers of a model; `print` it for one line a layer.

    Args:
        layers: in the model's order.
        top: how many leading singular vectors were looked at, at most.
        epsilon: the cosine below which one is an intruder.
        draws: of random changes.
    """

    layers: tuple[LayerSpectrum, ...]
    top: int
    epsilon: float
    draws: int

    def records(self) -> list[dict[str, Any]]:
        """A JSON-like record for each layer, for a table of any library."""
        return [asdict(layer) for layer in self.layers]

    def __str__(self) -> str:
        found = sum(layer.intruders for layer in self.layers)
        null = sum(layer.null for layer in self.layers)
        width = max(len(layer.name) for layer in self.layers)
        lines = [
            f"{len(self.layers)} layers: {found} intruder dimensions among the {self.top} leading "
            f"of each (cosine below {self.epsilon:g}), a random change has {null:.1f}",
            f"{'layer':{width}}  |dW|/|W|  spectral  rank  effective  intruders  random",
        ]
        lines += [
            f"{x.name:{width}}  {_ratio(x.update, x.weight):8.4f}  "
            f"{_ratio(x.update_spectral, x.weight_spectral):8.4f}  {x.rank:4d}  "
            f"{x.effective_rank:9.2f}  {x.intruders:9d}  {x.null:.1f} +- {x.null_std:.1f}"
            for x in self.layers
        ]
        return "\n".join(lines)


def spectrum(
    model: nn.Module, top: int = 10, epsilon: float = 0.5, draws: int = 5, seed: int = 0
) -> Spectrum:
    """What the adapters of a model do to its weights, layer by layer, in float64; nothing changes.

    It takes an eigendecomposition of the smaller side of each W, so O(min(m, n)^2 max(m, n)), and
    next to nothing more for a low-rank update and each draw; DoRA's updates have full rank, and
    every draw takes an eigendecomposition then. One layer is in memory at a time, dequantised.

    Args:
        model: with adapters of `lora.attach` or `lora.load`.
        top: how many leading singular vectors are looked at (the source's 10).
        epsilon: a cosine, in (0, 1] (the source's 0.5).
        draws: of the null; 0 for none, whose mean is then NaN.
        seed: of the draws.

    Raises: ValueError for a model without adapters, an impossible argument, or an update or weight
        that is not finite.
    Source: arXiv:2410.21228, algorithm 1; the null is derived here.
    """
    for name, value, least in (("top", top, 1), ("draws", draws, 0)):
        if type(value) is not int or value < least:
            raise ValueError(f"{name} must be a whole number, at least {least}, got {value!r}")
    if not 0 < epsilon <= 1:
        raise ValueError(f"epsilon must be a cosine above 0 and at most 1, got {epsilon!r}")
    layers: Mapping[str, LoRALinear] = adapters(model)
    if not layers:
        raise ValueError("the model has no adapters: call lora.attach or lora.load first")
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        found = [_of(name, layer, top, epsilon, draws, rng) for name, layer in layers.items()]
    return Spectrum(tuple(found), top, epsilon, draws)


def _of(
    name: str, layer: LoRALinear, top: int, epsilon: float, draws: int, rng: torch.Generator
) -> LayerSpectrum:
    W = weight_of(layer.original).double()
    U, s, V = _update(layer, W)
    if bad_entries(W) or bad_entries(s):
        raise ValueError(f"{name}: its weight or its update holds NaN or infinity")
    U0, S = _left(W)
    looked = min(top, *W.shape)
    found, null = 0, torch.zeros(draws, dtype=torch.float64)
    if len(s):
        found = _intruders(S, *_coordinates(U0, U, W @ V * s), s, looked, epsilon)
        for draw in range(draws):
            factors = _random(S, W.shape, s, rng)
            null[draw] = _intruders(S, *factors, s, looked, epsilon)
    p = s / s.sum()
    return LayerSpectrum(
        name=name,
        shape=(W.shape[0], W.shape[1]),
        rank=len(s),
        update=float(s.norm()),
        update_spectral=float(s[0]) if len(s) else 0.0,
        weight=float(W.norm()),
        weight_spectral=float(S[0]) if len(S) else 0.0,
        effective_rank=float((-(p * p.log()).sum()).exp()) if len(s) else 0.0,
        intruders=found,
        null=float(null.mean()),
        null_std=float(null.std()) if draws > 1 else math.nan,
    )


def _update(layer: LoRALinear, W: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """U (out, r), s (r,) descending and V (in, r) with dW = U diag(s) V^T, without the s that are
    rounding: of float64, or of the norms that a variant holds in another type."""
    L, R = (part.double() for part in layer.update())
    L, m = layer.scale * L, layer.magnitudes()
    if m is None:
        (Q, A), (P, B) = torch.linalg.qr(L), torch.linalg.qr(R.mT)
        core = A @ B.mT
    else:
        Q = P = None
        norms = (dense := W + L @ R).norm(dim=1)
        core = dense * torch.where(norms > 0, m / norms, 0)[:, None] - W
    if bad_entries(core):
        return L, core.new_tensor([math.nan]), R
    u, s, vh = torch.linalg.svd(core, full_matrices=False)
    least = torch.finfo(s.dtype).eps * max(W.shape) * s.max()
    if m is not None:
        least = torch.finfo(m.dtype).eps * W.norm()
    u, s, v = u[:, s > least], s[s > least], vh[s > least].mT
    return (u if Q is None else Q @ u), s, (v if P is None else P @ v)


def _left(W: Tensor) -> tuple[Tensor, Tensor]:
    """U0 (out, q) and S (q,), descending, of the singular values above what rounding makes of 0 in
    the product of W with itself."""
    wide = W.shape[0] <= W.shape[1]
    squares, basis = torch.linalg.eigh(W @ W.mT if wide else W.mT @ W)
    S = squares.clamp_min(0).sqrt()
    kept = (ROUNDING * S.max() < S).nonzero()[:, 0].flip(0)
    S, basis = S[kept], basis[:, kept]
    return (basis if wide else W @ basis / S), S


def _coordinates(U0: Tensor, U: Tensor, WVs: Tensor) -> tuple[Tensor, Tensor]:
    """g and c of `perturbed` (1), with coordinates for what U has outside of the range of W."""
    c = U0.mT @ U
    return _stacked(U0.mT @ WVs, c, U - U0 @ c if U0.shape[1] < len(U0) else None)


def _random(S: Tensor, shape: torch.Size, s: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """The same of a random change: in coordinates on U0 and V0 random vectors are random too."""

    def haar(rows: int) -> Tensor:
        Q, R = torch.linalg.qr(torch.randn(rows, len(s), generator=rng, dtype=torch.float64))
        return (Q * R.diagonal().sign()).to(S.device)

    U, V, q = haar(shape[0]), haar(shape[1]), len(S)
    return _stacked(S[:, None] * V[:q] * s, U[:q], U[q:] if q < len(U) else None)


def _stacked(g: Tensor, c: Tensor, outside: Tensor | None) -> tuple[Tensor, Tensor]:
    if outside is None:
        return g, c
    more = torch.linalg.qr(outside).R
    return torch.cat([g, torch.zeros_like(more)]), torch.cat([c, more])


def _intruders(S: Tensor, g: Tensor, c: Tensor, s: Tensor, looked: int, epsilon: float) -> int:
    """How many of the leading singular vectors of the sum have no cosine of epsilon with those of
    W; of singular values that are rounding of 0 none is looked at."""
    D = torch.cat([S.square(), S.new_zeros(len(g) - len(S))])
    values, Y = leading(D, g, c, s, min(looked, len(D)))
    # a row of zeros for a W of rank 0
    nearest = torch.cat([Y[: len(S)].abs(), Y.new_zeros(1, Y.shape[1])]).amax(0)
    return int(((nearest < epsilon) & (values > ROUNDING**2 * values[0])).sum())


def _ratio(a: float, b: float) -> float:
    return a / b if b else math.nan
