"""The laws of theory.overparam_generation as checks."""

import math

import numpy as np
import pytest
import torch

from lora.variants.hypernetwork import HyperNetwork
from proxies.instruments import image_distances
from theory.overparam_generation import distances as theory

EPS = np.finfo(float).eps


def on_sphere(rng: np.random.Generator, n: int, d: int, spread: float = 1.0) -> np.ndarray:
    """n unit vectors about one direction, the wider the larger the spread."""
    x = rng.standard_normal(d) + spread * rng.standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def check_metric(n: int, m: int, sigma: float, seed: int) -> None:
    """The fast distance against the definition, pair by pair."""
    rng = np.random.default_rng(seed)
    x, y = on_sphere(rng, n, 5), on_sphere(rng, m, 5, 0.3)
    found = image_distances.mmd(torch.tensor(x), torch.tensor(y), sigma)
    for unbiased, value in ((False, found.biased), (True, found.unbiased)):
        # Means of numbers up to 1, scaled by 1000; a squared distance has an error of some eps,
        # over 2 sigma^2.
        tolerance = 1000 * (20 + 20 / sigma**2) * EPS
        assert value == pytest.approx(theory.mmd(x, y, sigma, unbiased=unbiased), abs=tolerance)


def check_series(seed: int, sigma: float) -> None:
    """(2), term by term with whole tensors, against (1)."""
    rng = np.random.default_rng(seed)
    x, y = on_sphere(rng, 6, 3), on_sphere(rng, 4, 3, 0.5)
    total, powers = 0.0, (np.ones((6, 1)), np.ones((4, 1)))
    for j in range(1, 9):
        powers = tuple(
            np.einsum("na,nb->nab", p, z).reshape(len(z), -1)
            for p, z in zip(powers, (x, y), strict=True)
        )
        total += theory.weight(j, sigma) * ((powers[0].mean(0) - powers[1].mean(0)) ** 2).sum()
    # What is left out, |M_9 - M_9|^2 <= 4 and on, is below 2 * 4 / 9! q^9 with q <= 1.
    assert total == pytest.approx(
        theory.mmd(x, y, sigma), abs=1000 * (8 / math.factorial(9) * sigma**-18 + 50 * EPS)
    )


def check_means(n: int, m: int, spread: float, sigma: float, seed: int) -> None:
    """(3)."""
    rng = np.random.default_rng(seed)
    x, y = on_sphere(rng, n, 4, spread), on_sphere(rng, m, 4, spread)
    rest = theory.mmd(x, y, sigma) - theory.mean_shift(x, y, sigma)
    assert -1000 * 20 * EPS <= rest <= theory.beyond_means(sigma) + 1000 * 20 * EPS


def check_most(seed: int) -> None:
    """(4) and (5), reached and never passed."""
    rng = np.random.default_rng(seed)
    x = on_sphere(rng, 5, 3)
    for y, limit in ((-x[:1], theory.most()), (np.abs(x), theory.most(farthest=math.sqrt(2)))):
        found = theory.mmd(np.abs(x[:1]) if y is not x and (y >= 0).all() else x[:1], y)
        assert found <= limit + 1000 * 20 * EPS
    e = np.eye(3)
    assert theory.mmd(e[:1], -e[:1]) == pytest.approx(theory.most(), rel=50 * EPS)
    assert theory.mmd(e[:1], e[1:2]) == pytest.approx(
        theory.most(farthest=math.sqrt(2)), rel=50 * EPS
    )
    assert round(theory.most(), 4) == 39.6027, "2000 (1 - exp(-0.02))"


def check_null(n: int, m: int) -> None:
    """(6), exactly: the mean over all ordered draws of n and m from a population of two points."""
    points = np.array([[1.0, 0.0], [0.6, 0.8]])
    kernel = np.exp(-((points[0] - points[1]) ** 2).sum() / 2)
    kappa = (1 + kernel) / 2
    found = np.zeros(2)
    for code in range(2 ** (n + m)):
        draw = points[[(code >> i) & 1 for i in range(n + m)]]
        found += [
            theory.mmd(draw[:n], draw[n:], 1.0, unbiased=unbiased) for unbiased in (False, True)
        ]
    # E k(X, X') of independent draws is kappa, and so a diagonal of 1 adds (1 - kappa) / n.
    expected = [theory.null_mean(n, m, kappa), 0]
    assert found / 2 ** (n + m) == pytest.approx(expected, abs=1000 * 50 * EPS)


def check_counts(shapes: list[tuple[int, int]], rank: int, m: int, k: int) -> None:
    for magnitude in (False, True):
        counted = 0
        for out, in_ in shapes:
            values = {"B": torch.zeros(out, rank), "A": torch.zeros(rank, in_)}
            values |= {"magnitude": torch.zeros(out)} if magnitude else {}
            counted += sum(
                p.numel() for p in HyperNetwork(values, m, k, torch.Generator()).parameters()
            )
        assert counted == theory.generator_parameters(shapes, rank, m, k, magnitude)


def check_shift() -> None:
    """(7) against the drawn generators of 300 layers."""
    h = [
        torch.linalg.vector_norm(
            HyperNetwork(
                {"B": torch.zeros(1, 1)}, 32, 32, torch.Generator().manual_seed(i)
            ).hidden(),
            1,
        ).item()
        for i in range(300)
    ]
    # The sum over k of W1 z is not quite Gaussian, which costs about 1 % of the mean; its standard
    # error is 2 %.
    assert 10 ** theory.shift(32, 32) == pytest.approx(1 + np.mean(h), rel=0.06)
