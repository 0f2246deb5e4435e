"""A positive semidefinite matrix too wide to keep whole, by its product with a few columns.

For C (in, in) and orthonormal Omega (in, l) the Nystroem approximation is

    F F^T = C Omega (Omega^T C Omega)^-1 (C Omega)^T,   0 <= F F^T <= C in the order of
        symmetric matrices,                                                                      (1)

equal to C where its rank is at most l, and never above it, whatever Omega is. So |C - F F^T|_* is
exactly tr C - tr F F^T, and the trace is kept beside the sketch. Expected for Gaussian Omega
(arXiv:1702.05419, Theorem 4.1): at most (1 + j / (l - j - 1)) times the sum of the eigenvalues
after the j-th, for each j < l - 1.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

# Columns an axis, and the fewest. On a MiniLM's 1536-wide inputs 8 an axis capture all but 1.4e-3
# of what the exact 8 to 32 axes do, at a sixth of the time of the exact products; 4 an axis lose
# ten times as much.
OVERSAMPLE, FEWEST = 8, 64


def columns(axes: int) -> int:
    """The columns l that a sketch needs for so many axes."""
    return max(FEWEST, OVERSAMPLE * axes)


@dataclass(frozen=True)
class Sketch:
    """V diag(values) V^T <= C: `values` (l,), the largest first, `vectors` V (in, l) orthonormal,
    `trace` that of C."""

    values: Tensor
    vectors: Tensor
    trace: float

    @property
    def error(self) -> float:
        """The nuclear norm of what is missing, tr C - sum of the values: no captured variance is
        off by more."""
        return max(0.0, self.trace - self.values.sum().item())

    @property
    def factor(self) -> Tensor:
        """F (in, l) with F F^T the sketch."""
        return self.vectors * self.values.sqrt()

    def axes(self, count: int | None, plus: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The `count` largest eigenvalues and eigenvectors (in, count), of the sketch + m m^T where
        m (in,) is given.

        Raises ValueError for more axes than the sketch was taken for.
        """
        limit = len(self.values) // OVERSAMPLE
        if count is None or count > limit:
            asked = "all axes were" if count is None else f"{count} axes were"
            raise ValueError(
                f"{asked} asked for of a sketch that is good for {limit}: collect with more axes, "
                "or without axes for the whole matrix"
            )
        found = (
            self
            if plus is None
            else sketch(torch.cat([self.factor, plus[:, None]], 1), self.trace, limit)
        )
        return found.values[:count], found.vectors[:, :count]


def sketch(F: Tensor, trace: float, kept: int | None = None) -> Sketch:
    """The `kept` longest axes of F F^T (all by default), F (in, k)."""
    U, S, _ = torch.linalg.svd(F, full_matrices=False)
    return Sketch(S[:kept].square(), U[:, :kept], trace)


class Nystrom:
    """Running products of sum z z^T with Omega, of which the sketch is made at the end.

    Half of Omega is a range finder of the first rows seen, which makes the sketch several times as
    good as one of random columns where these rows are like the later ones; the other half is random
    for where they are not.
    """

    def __init__(self, width: int, columns: int, device: torch.device) -> None:
        self.product = torch.zeros(width, columns, dtype=torch.float64, device=device)
        self.Omega: Tensor | None = None
        self.trace, self.noise = 0.0, 0.0

    def add(self, Z: Tensor) -> None:
        """Take in rows (n, in)."""
        if self.Omega is None:
            self.Omega = self._chosen(Z)
        Omega = self.Omega.to(Z.dtype)
        self.product += Z.mT @ (Z @ Omega)
        self.trace += Z.norm(dim=1).double().square().sum().item()
        self.noise = max(self.noise, torch.finfo(Z.dtype).eps)

    def _chosen(self, Z: Tensor) -> Tensor:
        rng = Generator().manual_seed(0)  # of its own: the same rows give the same sketch
        G = torch.randn(self.product.shape, generator=rng, dtype=Z.dtype).to(Z.device)
        half = G.shape[1] // 2
        found = Z.mT @ (Z @ G[:, :half])
        longest = found.norm(dim=0).max().clamp(min=torch.finfo(Z.dtype).tiny)
        return torch.linalg.qr(torch.cat([found / longest, G[:, half:]], 1)).Q

    def finite(self) -> bool:
        return bool(torch.tensor(self.trace).isfinite()) and bool(self.product.isfinite().all())

    def mean(self, s: Tensor, n: float) -> Sketch:
        """Of sum z z^T / n - (s/n)(s/n)^T: of the covariance where s = sum z. For this matrix too
        (1) is exact."""
        d = s / n
        if self.Omega is None:
            return Sketch(
                d.new_zeros(self.product.shape[1]), torch.eye(*self.product.shape).to(d), 0.0
            )
        Omega = self.Omega.double()
        Y = self.product / n - d.outer(d @ Omega)
        core = Omega.mT @ Y
        values, U = torch.linalg.eigh((core + core.mT) / 2)
        # below the rounding of the products an inverse would blow up; what a direction there loses
        # is no more than it
        root = torch.where(values > self.noise * values[-1].clamp(min=0), values, torch.inf).sqrt()
        return sketch(Y @ (U / root), self.trace / n - d.square().sum().item())


def merge(parts: list[Sketch], weights: list[float], offsets: list[Tensor] | None = None) -> Sketch:
    """The weighted mean of the parts' matrices, each + o o^T where there are offsets o (in,): their
    factors side by side, cut to the columns of the widest part, which again is below the whole and
    keeps the trace exact."""
    factors = [w**0.5 * part.factor for w, part in zip(weights, parts, strict=True)]
    trace = sum(w * part.trace for w, part in zip(weights, parts, strict=True))
    for w, o in zip(weights, offsets or (), strict=bool(offsets)):
        factors.append(w**0.5 * o[:, None])
        trace += w * o.square().sum().item()
    return sketch(torch.cat(factors, 1), trace, max(len(part.values) for part in parts))
