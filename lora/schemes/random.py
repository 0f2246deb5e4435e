"""Schemes that need nothing but the shape of the weight."""

from torch import Generator, Tensor

from lora.schemes.scheme import Factors, normal, orthonormal, uniform


def init_a(W: Tensor, rank: int, rng: Generator, scale: float) -> Factors:
    """B = 0 and A_ij ~ U(-1/sqrt(in), 1/sqrt(in)): the default everywhere (arXiv:2106.09685 as in
    its code)."""
    A = uniform(W, rank, W.shape[1], bound=W.shape[1] ** -0.5, rng=rng)
    return Factors(W.new_zeros(W.shape[0], rank), A)


def init_b(W: Tensor, rank: int, rng: Generator, scale: float) -> Factors:
    """A = 0 and B_ij ~ U(-1/sqrt(r), 1/sqrt(r)), the same rule at B's own fan-in (arXiv:2406.08447,
    Init[B])."""
    B = uniform(W, W.shape[0], rank, bound=rank**-0.5, rng=rng)
    return Factors(B, W.new_zeros(rank, W.shape[1]))


def gaussian(W: Tensor, rank: int, rng: Generator, scale: float) -> Factors:
    """B = 0 and A_ij ~ N(0, 1/r^2), the convention of image-generation trainers (not stable in
    width)."""
    return Factors(W.new_zeros(W.shape[0], rank), normal(W, rank, W.shape[1], rng=rng) / rank)


def orthogonal(W: Tensor, rank: int, rng: Generator, scale: float) -> Factors:
    """B = 0 and A with orthonormal rows, Haar-distributed (the frozen A of arXiv:2402.16842)."""
    rows = orthonormal(W, W.shape[1], rank, rng=rng).mT.contiguous()
    return Factors(W.new_zeros(W.shape[0], rank), rows)
