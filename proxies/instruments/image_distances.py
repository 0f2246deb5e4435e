"""Distances between two sets of embedded images, as `theory.overparam_generation` defines them; in
double precision."""

from typing import NamedTuple

import torch
from torch import Tensor

from theory.overparam_generation import SCALE, SIGMA


class Distance(NamedTuple):
    """`biased` has the pairs of an image with itself in it, as CMMD is defined; `unbiased` has
    not."""

    biased: float
    unbiased: float


def mmd(x: Tensor, y: Tensor, sigma: float = SIGMA, scale: float = SCALE) -> Distance:
    """scale * MMD^2 under the kernel exp(-|a - b|^2 / (2 sigma^2)); by default CMMD.

    Args:
        x: embedded images, (n, d), at least two.
        y: embedded images, (m, d), at least two.
        sigma: the bandwidth.
        scale: of the result.

    Source: arXiv:2401.09603.
    """
    xx, yy, xy = (kernel(a, b, sigma) for a, b in ((x, x), (y, y), (x, y)))
    off = lambda k: (k.sum() - k.diagonal().sum()) / (len(k) * (len(k) - 1))
    both = [scale * float(one(xx) + one(yy) - 2 * xy.mean()) for one in (torch.mean, off)]
    return Distance(*both)


def kernel(a: Tensor, b: Tensor, sigma: float) -> Tensor:
    return torch.exp(-torch.cdist(a.double(), b.double()).square() / (2 * sigma**2))


def median_distance(x: Tensor) -> float:
    """The median distance of two of x (n, d), the usual bandwidth."""
    return float(torch.pdist(x.double()).median())
