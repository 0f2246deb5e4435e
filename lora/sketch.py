"""A positive semidefinite matrix too wide to keep whole, by its product with a few columns.

For C (in, in) and orthonormal Omega (in, l) the Nystroem approximation is

    F F^T = C Omega (Omega^T C Omega)^-1 (C Omega)^T,   0 <= F F^T <= C in the order of
        symmetric matrices,                                                                      (1)

equal to C where its rank is at most l, and never above it, whatever Omega is. So |C - F F^T|_* is
exactly tr C - tr F F^T, and the trace is kept beside the sketch. Expected for Gaussian Omega
(arXiv:1702.05419, Theorem 4.1): at most (1 + j / (l - j - 1)) times the sum of the eigenvalues
after the j-th, for each j < l - 1.

All of this is up to the rounding of C Omega. For rows in bfloat16 on a CPU that is visible: of five
inputs of SmolLM2 the sketch exceeded C by 1e-3 of the 16th eigenvalue on four, and by .25 of it on
one.
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


@dataclass
class Frame:
    """What sums are taken about and along. The first rows decide; sums that share it add up."""

    shift: Tensor | None = None
    Omega: Tensor | None = None

    def shift_of(self, rows: Tensor) -> Tensor:
        if self.shift is None:
            self.shift = rows.mean(0)
        return self.shift


class Nystrom:
    """Running products of sum z z^T with Omega, of which the sketch is made at the end.

    Half of Omega is a range finder of the first rows seen, with one power iteration, which makes
    the sketch several times as good as one of random columns where these rows are like the later
    ones; the other half is random for where they are not.
    """

    def __init__(self, total: Tensor, frame: Frame) -> None:
        self.product, self.frame = total, frame
        self.trace = torch.zeros((), dtype=torch.float64, device=total.device)
        self.noise, self.eps = 0.0, 0.0

    def add(self, Z: Tensor) -> None:
        """Take in rows (n, in)."""
        if (Omega := self.frame.Omega) is None:
            Omega = self.frame.Omega = self._chosen(Z)
        precise = torch.promote_types(Z.dtype, Omega.dtype)
        Z, Omega = Z.to(precise), Omega.to(precise)
        self.product += product(Z, Z @ Omega)
        self.trace += lengths(Z).double().square().sum()
        self._at_least(*rounding(Z.dtype))

    def absorb(self, other: "Nystrom") -> None:
        self.product += other.product
        self.trace += other.trace
        self._at_least(other.noise, other.eps)

    def _at_least(self, noise: float, eps: float) -> None:
        self.noise, self.eps = max(self.noise, noise), max(self.eps, eps)

    def _chosen(self, Z: Tensor) -> Tensor:
        rng = Generator().manual_seed(0)  # of its own: the same rows give the same sketch
        precise = torch.promote_types(Z.dtype, torch.float32)
        G = torch.randn(self.product.shape, generator=rng, dtype=precise).to(Z.device)
        half = G.shape[1] // 2
        found = G[:, :half]
        for _ in range(2):
            found = torch.linalg.qr(product(Z, Z @ found.to(Z.dtype)).to(precise)).Q
        return torch.linalg.qr(torch.cat([found, G[:, half:]], 1)).Q.to(Z.dtype)

    def finite(self) -> bool:
        return bool((self.trace + self.product.sum()).isfinite())

    def mean(self, n: float, s: Tensor | None = None) -> Sketch:
        """Of sum z z^T / n, less (s/n)(s/n)^T where s = sum z is given: the covariance, for which
        (1) is exact too."""
        Y, Omega, trace = self.product.double() / n, self.frame.Omega, self.trace / n
        if Omega is None:
            return Sketch(Y.new_zeros(Y.shape[1]), torch.eye(*Y.shape).to(Y), 0.0)
        Omega = Omega.to(Y)
        if s is not None:
            d = s / n
            Y, trace = Y.addr_(d, d @ Omega, alpha=-1), trace - d.square().sum()
        core = Omega.mT @ Y
        # columns of one length: rounding is relative to its column, and next to a few directions of
        # enormous variance it would drown the others
        length = core.diagonal().clamp(min=0).sqrt()
        least = len(Y) ** 0.5 * self.eps * length.max()  # of what no more is than its own rounding
        scale = torch.where(length > least, 1 / length, 0)
        Y, core = Y * scale, scale[:, None] * core * scale
        values, U = torch.linalg.eigh((core + core.mT) / 2)
        # below the rounding of the products an inverse would blow up; what a direction there loses
        # is no more than it
        root = torch.where(values > self.noise * values[-1].clamp(min=0), values, torch.inf).sqrt()
        return sketch(Y @ (U / root), trace.item())


def product(X: Tensor, Y: Tensor) -> Tensor:
    """X^T Y over rows, with sums in float32 at least; see `lora.accumulate` for its rounding."""
    if X.is_cuda and X.dtype == Y.dtype == torch.bfloat16:
        return torch.mm(X.mT, Y, out_dtype=torch.float32)
    return X.mT @ Y


def lengths(rows: Tensor) -> Tensor:
    """|row| of each, in float32 at least."""
    precise = torch.promote_types(rows.dtype, torch.float32)
    return torch.linalg.vector_norm(rows, dim=1, dtype=precise)


def rounding(dtype: torch.dtype) -> tuple[float, float]:
    """Of sums of products of rows, relative to their size, and of what is added up in each. That of
    bfloat16 averages out over the tokens: over a thousand to about eps^2."""
    eps = torch.finfo(dtype).eps
    return (eps**2, torch.finfo(torch.float32).eps) if dtype == torch.bfloat16 else (eps, eps)


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
