"""Running sums over tokens, from which the moments of a layer's inputs and gradients are read at
the end.

A mean removed late loses what it was meant to show: E[x x^T] - m m^T in float32 is wrong by 100 %
where |m| is a thousand standard deviations. So the products are taken of x - c with c the mean of
the first rows: with weights w of total n, sum s = sum w (x - c) and Gram C = sum w (x - c)(x -
c)^T,

    E[x] = c + s/n,   Cov = C/n - (s/n)(s/n)^T,   E[x x^T] = Cov + E[x] E[x]^T.

Each batch's product is one float32 matrix product (float64 for float64 inputs) of numbers of the
size of the spread, the running sums are float64: the error of Cov is a few eps32 of its largest
eigenvalue, whatever the mean and however many batches, as long as the batches' means differ by less
than some standard deviations.
"""

import torch
from torch import Tensor

from lora.sketch import Nystrom, Sketch
from lora.statistics import Statistics

# columns a product: large enough for full speed, small enough to skip most of the lower triangle
BLOCK = 256


class Gram:
    """The sum of z z^T, whole."""

    def __init__(self, width: int, device: torch.device) -> None:
        self.total = torch.zeros(width, width, dtype=torch.float64, device=device)

    def add(self, Z: Tensor) -> None:
        """Take in rows (n, in): only on and above the diagonal blocks, about half the products."""
        for start in range(0, Z.shape[1], BLOCK):
            self.total[start : start + BLOCK, start:] += (
                Z[:, start : start + BLOCK].mT @ Z[:, start:]
            )

    def finite(self) -> bool:
        # a NaN or infinity in a column always shows there
        return bool(self.total.diagonal().isfinite().all())

    def mean(self, s: Tensor, n: float) -> Tensor:
        """sum z z^T / n - (s/n)(s/n)^T."""
        upper = self.total.triu()
        return (upper + upper.triu(1).mT) / n - (s / n).outer(s / n)


def squares(width: int, columns: int | None, device: torch.device) -> Gram | Nystrom:
    """Whole without `columns`, else a sketch of so many."""
    return Gram(width, device) if columns is None else Nystrom(width, columns, device)


class Moments:
    """Sums of x and x x^T over rows."""

    def __init__(self, width: int, columns: int | None, device: torch.device) -> None:
        self.tokens, self.count = 0, 0.0
        self.shift: Tensor | None = None
        self.sum = torch.zeros(width, dtype=torch.float64, device=device)
        self.squares = squares(width, columns, device)

    def add(self, rows: Tensor, weights: Tensor | None) -> None:
        """Take in rows (n, in) of weights (n,), 1 by default. Raises ValueError with the count when
        some are not finite."""
        rows, weights = _alive(rows, weights)
        if not len(rows):
            return
        if self.shift is None:
            self.shift = rows.mean(0)
        Z = rows - self.shift
        self.squares.add(Z if weights is None else weights.sqrt()[:, None] * Z)
        self.sum += Z.sum(0) if weights is None else weights @ Z
        self.count += len(rows) if weights is None else weights.sum(dtype=torch.float64).item()
        self.tokens += len(rows)
        if not self.squares.finite():
            raise ValueError(_not_finite("input", rows))

    def statistics(self) -> Statistics:
        """E[x] and E[x x^T], or the sketch of the covariance, in float64."""
        assert self.shift is not None
        mean = self.shift.double() + self.sum / self.count
        C = self.squares.mean(self.sum, self.count)
        if isinstance(C, Sketch):
            return Statistics(self.count, mean, None, covariance_sketch=C, tokens=self.tokens)
        return Statistics(self.count, mean, C + mean.outer(mean), tokens=self.tokens)


class GradientMoments:
    """Sums of g x^T and |g|^2 x x^T over rows."""

    def __init__(self, out: int, width: int, columns: int | None, device: torch.device) -> None:
        self.outer = torch.zeros(out, width, dtype=torch.float64, device=device)
        self.squares = squares(width, columns, device)

    def add(self, g: Tensor, x: Tensor, weights: Tensor | None, factor: float) -> None:
        """Take in rows of factor * g (n, out) and x (n, in). Raises ValueError with the count when
        g is not finite."""
        x, _ = _alive(x, weights)
        g, weights = _alive(g, weights)
        if not len(g):
            return
        g = factor * g
        length = g.norm(dim=1, keepdim=True)
        if weights is not None:
            length, g = weights.sqrt()[:, None] * length, weights[:, None] * g
        self.outer += g.mT @ x
        self.squares.add(length * x)
        if not self.squares.finite():
            raise ValueError(_not_finite("output gradient", g))

    def means(self, count: float) -> tuple[Tensor, Tensor | Sketch]:
        """E[g x^T] and E[|g|^2 x x^T] over rows of total weight `count`, in float64: rows that no
        gradient reached have g = 0."""
        return self.outer / count, self.squares.mean(
            self.outer.new_zeros(self.outer.shape[1]), count
        )


def _alive(rows: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The rows of positive weight in float32 at least, and their weights in the same type."""
    rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
    if weights is None:
        return rows, None
    return rows[weights > 0], weights[weights > 0].to(rows)


def _not_finite(what: str, rows: Tensor) -> str:
    if bad := int((~rows.isfinite()).sum()):
        return f"{bad} entries of its {what} are NaN or infinite"
    largest = rows.abs().max()
    return f"its {what} is too large to square in {rows.dtype}, the largest entry is {largest:.3g}"
