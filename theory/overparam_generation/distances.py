"""Distances between sets of images by their embeddings, and the cost and the learning rate of a
network that generates adapters.

Setting. x_1..x_n and y_1..y_m in R^d are embedded images, k(a, b) = exp(-|a - b|^2 / (2 sigma^2)),
and

    D = mean k(x, x') + mean k(y, y') - 2 mean k(x, y)                                           (1)

is their squared maximum mean discrepancy: biased with all n^2 pairs in the first mean, unbiased
with the n (n - 1) of two different images. CMMD is 1000 D, biased, with sigma = 10 and embeddings
of unit length (arXiv:2401.09603).

On the unit sphere |a - b|^2 = 2 - 2 a.b, so k(a, b) = e^(-q) e^(q a.b) with q = 1 / sigma^2. Let
M_j(x) be the mean of the j-fold tensor power of x. Expanding the second exponential,

    D = e^(-q) sum_{j >= 1} q^j / j! |M_j(x) - M_j(y)|^2.                                        (2)

At sigma = 10 the first term has the weight 9.90 in CMMD, the second 0.0495. The tensor powers have
unit length, so |M_j(x) - M_j(y)|^2 <= 4, and <= 2 for even j, where (a.b)^j >= 0. With
u = |mean x - mean y|^2 therefore

    0 <= D - e^(-q) q u <= 2 e^(-q) ((cosh q - 1) + 2 (sinh q - q)):                             (3)

beyond the distance of the means CMMD has at most 0.0997 points to give, for lack of diversity say.
As u <= 4,

    D <= 2 - 2 e^(-2 q), reached by two points opposite each other,                              (4)

39.6 points of CMMD, and where no feature is negative, so that |a - b|^2 <= 2,

    D <= 2 - 2 e^(-q), 19.9 points of CMMD.                                                      (5)

A gain of g points needs a CMMD of at least g before it, and so by (3) means that were at least

    |mean x - mean y|^2 >= (g - 0.0997) / 9.90                                                   (8)

apart: 1.505 for g = 15, of the 4 that unit vectors can be and the 2 without a negative feature.

Null. For independent samples of one distribution, with kappa = E k(X, X') of two independent draws,

    E D = (1 / n + 1 / m)(1 - kappa) biased, 0 unbiased.                                         (6)

Generator network (its laws are in `theory.matfac.generator_network`). A layer of p = r (in + out)
adapter entries, or p + out for DoRA, has p (m + 1) + m (k + 1) + k trained numbers; a step costs
2 p m operations forward and 4 p m backward, of LoRA's 6 p T for T tokens m / T. Adam takes its
first step 1 + |h|_1 times as far as LoRA at an equal learning rate, and its further ones so while h
stands still, so every good learning rate is shifted down by that factor:

    log10 of the shift = log10 (1 + E |h|_1) ~ log10 (1 + m sqrt((1 + 1/k) / (6 pi))).           (7)

Source: (1) and sigma, scale and unit length are of arXiv:2401.09603; (2) to (8) are derived here.
"""

import math

import numpy as np
from numpy.typing import NDArray

from theory.matfac import generator_network

SIGMA, SCALE = 10.0, 1000.0  # of CMMD
Array = NDArray[np.floating]


def mmd(
    x: Array, y: Array, sigma: float = SIGMA, scale: float = SCALE, unbiased: bool = False
) -> float:
    """(1) times `scale`, pair by pair: the definition, slow.

    Args:
        x: embedded images, (n, d).
        y: embedded images, (m, d).
        sigma: the bandwidth.
        scale: of the result.
        unbiased: leave out the pairs of an image with itself.

    Source: arXiv:2401.09603.
    """
    kernel = lambda a, b: math.exp(-float(((a - b) ** 2).sum()) / (2 * sigma**2))
    within = lambda z: [
        kernel(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if not unbiased or i != j
    ]
    between = [kernel(a, b) for a in x for b in y]
    return scale * float(np.mean(within(x)) + np.mean(within(y)) - 2 * np.mean(between))


def weight(j: int, sigma: float = SIGMA, scale: float = SCALE) -> float:
    """(2): what a unit of |M_j(x) - M_j(y)|^2 adds.

    Args:
        j: the order of the moment.
        sigma: the bandwidth.
        scale: of the result.
    """
    q = sigma**-2
    return scale * math.exp(-q) * q**j / math.factorial(j)


def mean_shift(x: Array, y: Array, sigma: float = SIGMA, scale: float = SCALE) -> float:
    """The first term of (2).

    Args:
        x: embedded images, (n, d), of unit length.
        y: embedded images, (m, d), of unit length.
        sigma: the bandwidth.
        scale: of the result.
    """
    return weight(1, sigma, scale) * float(((x.mean(0) - y.mean(0)) ** 2).sum())


def beyond_means(sigma: float = SIGMA, scale: float = SCALE) -> float:
    """(3): the most that all other terms of (2) can add."""
    q = sigma**-2
    return 2 * scale * math.exp(-q) * ((math.cosh(q) - 1) + 2 * (math.sinh(q) - q))


def least_distance(gain: float, sigma: float = SIGMA, scale: float = SCALE) -> float:
    """(8): the least squared distance of the means from which a distance can fall by that much.

    Args:
        gain: points.
        sigma: the bandwidth.
        scale: of the distance.
    """
    return max(gain - beyond_means(sigma, scale), 0) / weight(1, sigma, scale)


def most(sigma: float = SIGMA, scale: float = SCALE, farthest: float = 2.0) -> float:
    """(4), and (5) with farthest = sqrt(2).

    Args:
        sigma: the bandwidth.
        scale: of the result.
        farthest: the largest distance of two embeddings.

    Returns: D of two single points at that distance.
    """
    return scale * (2 - 2 * math.exp(-(farthest**2) / (2 * sigma**2)))


def null_mean(n: int, m: int, kappa: float, scale: float = SCALE) -> float:
    """(6), biased.

    Args:
        n: images of the first sample.
        m: images of the second sample.
        kappa: the mean kernel of two independent draws.
        scale: of the result.
    """
    return scale * (1 / n + 1 / m) * (1 - kappa)


def generator_parameters(
    shapes: list[tuple[int, int]], rank: int, m: int, k: int, magnitude: bool = False
) -> int:
    """Trained numbers of the generator networks of some layers.

    Args:
        shapes: (out, in) of each layer.
        rank: of the adapters.
        m: the width of a generator network.
        k: the size of its embedding.
        magnitude: whether it also makes DoRA's magnitudes.
    """
    sizes = (rank * (out + in_) + out * magnitude for out, in_ in shapes)
    return sum(generator_network.parameters(p, m, k) for p in sizes)


def generator_share(m: int, tokens: int) -> float:
    """Operations of a generator network over those of the low-rank products that it serves."""
    return m / tokens


def shift(m: int, k: int) -> float:
    """(7): decades between the good rates of the two parameterisations, LoRA's above
    OP-LoRA's."""
    return math.log10(1 + generator_network.typical_l1(m, k))
