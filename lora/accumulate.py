"""Running sums over tokens, from which the moments of a layer's inputs and gradients are read at the end.

A mean removed late loses what it was meant to show: E[x x^T] - m m^T in float32 is wrong by 100 % where |m| is a
thousand standard deviations. So the products are taken of x - c with c the mean of the first rows: with n rows, sum
s = sum (x - c) and Gram C = sum (x - c)(x - c)^T,

    E[x] = c + s/n,   Cov = C/n - (s/n)(s/n)^T,   E[x x^T] = Cov + E[x] E[x]^T.

Each batch's product is one float32 matrix product (float64 for float64 inputs) of numbers of the size of the spread,
the running sums are float64: the error of Cov is a few eps32 of its largest eigenvalue, whatever the mean and however
many batches, as long as the batches' means differ by less than some standard deviations.
"""

import torch
from torch import Tensor

BLOCK = 256  # columns a product: large enough for full speed, small enough to skip most of the lower triangle


class Moments:
    """Sums of x and x x^T over rows."""

    def __init__(self, width: int, device: torch.device) -> None:
        self.count = 0
        self.shift: Tensor | None = None
        self.sum = torch.zeros(width, dtype=torch.float64, device=device)
        self.gram = torch.zeros(width, width, dtype=torch.float64, device=device)

    def add(self, rows: Tensor) -> None:
        """Take in rows (n, in). Raises ValueError with the count when some are not finite."""
        if not len(rows):
            return
        rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
        if self.shift is None:
            self.shift = rows.mean(0)
        Z = rows - self.shift
        _add_gram(self.gram, Z)
        self.sum += Z.sum(0, dtype=torch.float64)
        self.count += len(rows)
        if not self.gram.diagonal().isfinite().all():  # a NaN or infinity in a column always shows there
            raise ValueError(_not_finite("input", rows))

    def means(self) -> tuple[Tensor, Tensor]:
        """E[x] and E[x x^T], in float64."""
        assert self.shift is not None
        drift = self.sum / self.count
        mean = self.shift.double() + drift
        return mean, _symmetric(self.gram) / self.count - drift.outer(drift) + mean.outer(mean)


class GradientMoments:
    """Sums of g x^T and |g|^2 x x^T over rows."""

    def __init__(self, out: int, width: int, device: torch.device) -> None:
        self.outer = torch.zeros(out, width, dtype=torch.float64, device=device)
        self.weighted = torch.zeros(width, width, dtype=torch.float64, device=device)

    def add(self, g: Tensor, x: Tensor, factor: float) -> None:
        """Take in rows of factor * g (n, out) and x (n, in). Raises ValueError with the count when g is not finite."""
        if not len(g):
            return
        x, g = (value.to(torch.promote_types(value.dtype, torch.float32)) for value in (x, g))
        g = factor * g
        self.outer += g.mT @ x
        _add_gram(self.weighted, g.norm(dim=1, keepdim=True) * x)
        if not self.weighted.diagonal().isfinite().all():
            raise ValueError(_not_finite("output gradient", g))

    def means(self, count: int) -> tuple[Tensor, Tensor]:
        """E[g x^T] and E[|g|^2 x x^T] over `count` rows, in float64: rows that no gradient reached have g = 0."""
        return self.outer / count, _symmetric(self.weighted) / count


def _add_gram(total: Tensor, Z: Tensor) -> None:
    """total += Z^T Z, only on and above the diagonal blocks: about half the products."""
    for start in range(0, Z.shape[1], BLOCK):
        total[start : start + BLOCK, start:] += Z[:, start : start + BLOCK].mT @ Z[:, start:]


def _symmetric(total: Tensor) -> Tensor:
    upper = total.triu()
    return upper + upper.triu(1).mT


def _not_finite(what: str, rows: Tensor) -> str:
    if bad := int((~rows.isfinite()).sum()):
        return f"{bad} entries of its {what} are NaN or infinite"
    return f"its {what} is too large to square in {rows.dtype}, the largest entry is {rows.abs().max():.3g}"
