"""One scheme at one weight: what the checks of `lora.testing` are made of."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Generator, Tensor

from lora.schemes import Factors, Scheme
from lora.statistics import Statistics

# Laws are checked in float64 on matrices whose singular values are spread evenly: rounding reaches
# some 1e-13 of the factors there, while a broken law is off by parts of 1.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Trial:
    """A scheme with its rank and options, a weight W (out, in), tokens x (n, in) with gradients g
    (n, out), and the seed of the random generator."""

    name: str
    scheme: Scheme
    rank: int
    options: dict[str, Any]
    W: Tensor
    x: Tensor
    g: Tensor
    stats: Statistics
    seed: int = 7

    def factors(
        self, W: Tensor | None = None, stats: Statistics | None = None, scale: float = 1.0
    ) -> Factors:
        """The factors for the trial's own weight and statistics where none are given."""
        rng = Generator().manual_seed(self.seed)
        W = self.W if W is None else W
        return self.scheme(W, self.rank, rng, stats or self.stats, scale, **self.options)

    def sentence(self, fault: str) -> str:
        return f"{self.name} at W {tuple(self.W.shape)}, rank {self.rank}: {fault}"

    def law(self, holds: bool | Tensor, sentence: str) -> None:
        if not bool(holds):
            raise AssertionError(self.sentence(sentence))

    def refuses(self, what: str, call: Callable[[], object]) -> None:
        try:
            call()
        except ValueError:
            return
        except Exception as error:
            raise AssertionError(
                f"{self.name} must refuse {what} with a ValueError, but fails: {error!r}"
            ) from error
        self.law(False, f"must refuse {what} with a ValueError, but accepts it")


def tokens(shape: tuple[int, int], seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """A weight W (out, in), and x (n, in) and g (n, out) of n = 4 max(out, in) tokens, in float64.

    W and E[g x^T] have evenly spread singular values: x = M^1/2 z with E[z z^T] = I exactly, and g
    = G M^-1 x.
    """
    out, in_ = shape
    rng = Generator().manual_seed(seed)
    normal = lambda *size: torch.randn(*size, generator=rng, dtype=torch.float64)
    spread = lambda k: torch.linspace(1, 1 / k, k, dtype=torch.float64)
    k, n = min(shape), 4 * max(shape)
    frames = [torch.linalg.qr(normal(size, k)).Q for size in (out, in_, out, in_)]
    W, G = ((U * spread(k)) @ V.mT for U, V in (frames[:2], frames[2:]))
    V = torch.linalg.qr(normal(in_, in_)).Q
    root = (V * (1 + spread(in_))) @ V.mT
    x = n**0.5 * torch.linalg.qr(normal(n, in_)).Q @ root
    return W, x, x @ torch.linalg.solve(root @ root, G.mT)


def statistics_of(x: Tensor, g: Tensor) -> Statistics:
    """The statistics of a layer that reads x (n, in) and whose output has the gradients g (n,
    out)."""
    n = len(x)
    weighted = (x * g.square().sum(dim=1, keepdim=True)).mT @ x / n
    return Statistics(float(n), x.mean(dim=0), x.mT @ x / n, g.mT @ x / n, weighted)


def tensors(stats: Statistics) -> dict[str, Tensor]:
    return {
        f.name: value for f in fields(stats) if isinstance(value := getattr(stats, f.name), Tensor)
    }


def same(first: Any, second: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def close(found: Tensor, wanted: Tensor) -> bool:
    return bool((found - wanted).norm() <= TOLERANCE * wanted.norm())
