"""Running sums over tokens, from which the moments of a layer's inputs and gradients are read at
the end.

A mean removed late loses what it was meant to show: E[x x^T] - m m^T in float32 is wrong by 100 %
where |m| is a thousand standard deviations. So the products are taken of x - c with c the mean of
the first rows: with weights w of total n, sum s = sum w (x - c) and Gram C = sum w (x - c)(x -
c)^T,

    E[x] = c + s/n,   Cov = C/n - (s/n)(s/n)^T,   E[x x^T] = Cov + E[x] E[x]^T.

Each batch's product is one matrix product in float32 (float64 for float64 inputs) of numbers of the
size of the spread, the running sums are float64: the error of Cov is a few eps32 of its largest
eigenvalue, whatever the mean and however many batches, as long as the batches' means differ by less
than some standard deviations.

Rows in bfloat16 are multiplied as they are, at the speed of the model's own products. Each product
of two entries is exact in float32, where they are added up; on a CPU the sum over a batch is then
rounded to bfloat16, as the gradient of a bfloat16 weight is, and on a GPU it is not. So an entry of
C or G is off by at most 2^-8 of what it is of one batch, with a random sign, and the running sums
are in float32. Of 23 inputs of SmolLM2 (8 batches of 512 tokens) the top 16 axes of such sums
capture all but 2e-6 of what exact ones do. Weighted rows are no bfloat16 numbers, and are taken in
float32.
"""

from typing import Any

import torch
from torch import Tensor

from lora.finite import bad_entries
from lora.sketch import Frame, Nystrom, Sketch, lengths, product
from lora.statistics import Statistics

# columns a product: large enough for full speed, small enough to skip most of the lower triangle
BLOCK = 256


def total_like(rows: Tensor, *shape: int) -> Tensor:
    """Where products of such rows are summed."""
    precise = torch.float32 if rows.dtype == torch.bfloat16 else torch.float64
    return torch.zeros(shape, dtype=precise, device=rows.device)


class Gram:
    """The sum of z z^T, whole."""

    def __init__(self, rows: Tensor) -> None:
        self.total = total_like(rows, rows.shape[-1], rows.shape[-1])

    def add(self, Z: Tensor) -> None:
        """Take in rows (n, in): only on and above the diagonal blocks, about half the products."""
        for start in range(0, Z.shape[1], BLOCK):
            self.total[start : start + BLOCK, start:] += product(
                Z[:, start : start + BLOCK], Z[:, start:]
            )

    def absorb(self, other: "Gram") -> None:
        self.total += other.total

    def finite(self) -> bool:
        # a NaN or infinity in a column always shows there
        return bool(self.total.diagonal().isfinite().all())

    def mean(self, n: float, s: Tensor | None = None) -> Tensor:
        """sum z z^T / n, less (s/n)(s/n)^T where s is given; in float64."""
        C = self.total.to(torch.float64, copy=True).div_(n)
        for start in range(0, len(C), BLOCK):
            rest = slice(start + BLOCK, None)
            C[rest, start : start + BLOCK] = C[start : start + BLOCK, rest].mT
            block = C[start : start + BLOCK, start : start + BLOCK]
            block.copy_(block.triu() + block.triu(1).mT)
        return C if s is None else C.addr_(s / n, s / n, alpha=-1)


def squares(rows: Tensor, columns: int | None, frame: Frame) -> Gram | Nystrom:
    """Of rows like these: whole without `columns`, else a sketch of so many."""
    if columns is None:
        return Gram(rows)
    return Nystrom(total_like(rows, rows.shape[-1], columns), frame)


class Moments:
    """Sums of x over rows, and of x x^T where there are `squares`. Sums of other rows in the same
    `frame` can be added to them."""

    def __init__(self, rows: Tensor, squares: Gram | Nystrom | None, frame: Frame) -> None:
        self.tokens, self.count = 0, 0.0
        self.sum = torch.zeros(rows.shape[-1], dtype=torch.float64, device=rows.device)
        self.squares: Any = squares
        self.frame = frame

    def add(self, rows: Tensor, weights: Tensor | None) -> None:
        """Take in rows (n, in) of weights (n,), 1 by default. Raises ValueError with the count when
        some are not finite."""
        rows, weights = _alive(rows, weights)
        if not len(rows):
            return
        Z = rows - self.frame.shift_of(rows)  # in the more precise of the two types
        if self.squares is not None:
            self.squares.add(Z if weights is None else weights.sqrt()[:, None] * Z)
        precise = torch.promote_types(Z.dtype, torch.float32)
        self.sum += Z.sum(0, dtype=precise) if weights is None else weights @ Z
        self.count += len(rows) if weights is None else weights.sum(dtype=torch.float64).item()
        self.tokens += len(rows)
        if not (_finite(self.sum) if self.squares is None else self.squares.finite()):
            raise ValueError(_not_finite("input", rows))

    def absorb(self, other: "Moments") -> None:
        """Add the sums of other rows, made in the same frame."""
        self.tokens, self.count = self.tokens + other.tokens, self.count + other.count
        self.sum += other.sum
        if self.squares is not None:
            self.squares.absorb(other.squares)

    def statistics(self) -> Statistics:
        """E[x] and E[x x^T], or the sketch of the covariance, in float64."""
        shift = self.frame.shift
        assert shift is not None
        mean = shift.double() + self.sum / self.count
        C = None if self.squares is None else self.squares.mean(self.count, self.sum)
        if C is None or isinstance(C, Sketch):
            return Statistics(self.count, mean, None, covariance_sketch=C, tokens=self.tokens)
        return Statistics(self.count, mean, C.addr_(mean, mean), tokens=self.tokens)


class GradientMoments:
    """Sums of g x^T and |g|^2 x x^T over rows, each where it is wanted."""

    def __init__(self, outer: Tensor | None, squares: Gram | Nystrom | None) -> None:
        self.outer, self.squares = outer, squares

    def add(self, g: Tensor, x: Tensor, weights: Tensor | None, factor: float) -> None:
        """Take in rows of factor * g (n, out) and x (n, in). Raises ValueError with the count when
        g is not finite."""
        x, _ = _alive(x, weights)
        g, weights = _alive(g, weights)
        if not len(g):
            return
        finite = True
        if self.squares is not None:
            length = factor * lengths(g)
            if weights is not None:
                length = weights.sqrt() * length
            self.squares.add(torch.mul(length[:, None], x, out=torch.empty_like(x)))
            finite = self.squares.finite()
        if self.outer is not None:
            G = product(g if weights is None else weights[:, None] * g, x)
            self.outer.add_(G, alpha=factor)
            finite = finite and _finite(G)
        if not finite:
            raise ValueError(_not_finite("output gradient", factor * g))

    def means(self, count: float) -> tuple[Tensor | None, Tensor | Sketch | None]:
        """E[g x^T] and E[|g|^2 x x^T] over rows of total weight `count`: rows that no gradient
        reached have g = 0. The sums are used up."""
        G = None if self.outer is None else self.outer.div_(count)
        Q = None if self.squares is None else self.squares.mean(count)
        return G, Q


def _alive(rows: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The rows of positive weight in a type of which products may be summed, and their weights in
    the same."""
    if weights is None and rows.dtype == torch.bfloat16:
        return rows, None
    rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
    if weights is None:
        return rows, None
    return rows[weights > 0], weights[weights > 0].to(rows)


def _finite(M: Tensor) -> bool:
    return not bad_entries(M)


def _not_finite(what: str, rows: Tensor) -> str:
    if bad := int((~rows.isfinite()).sum()):
        return f"{bad} entries of its {what} are NaN or infinite"
    largest = rows.abs().max()
    return f"its {what} is too large to square in {rows.dtype}, the largest entry is {largest:.3g}"
