"""Problems on which the laws of theory.gradient_signal are tested, and what the library makes of
them.

A population is a finite set of tokens (x_i, g_i), each of weight 1/n, so that every expectation of
the theory is a finite sum and its laws hold to rounding. Tolerances are UNITS eps times the sizes
that are summed or inverted; the worst of 800 draws of each law was 9 of those units. What is
sampled is compared at SIGMAS standard errors.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

import lora
from lora import SCHEMES, Statistics

EPS = float(np.finfo(float).eps)
UNITS = 50
SIGMAS = 5  # of a normal, 6e-7: no test here makes more than a hundred such comparisons
drawn = settings(max_examples=60, deadline=None, derandomize=True, database=None)
seeds = st.integers(1000, 2**32)


class Population(NamedTuple):
    """x (n, d), g (n, k), float64, and the rank asked for."""

    x: Tensor
    g: Tensor
    rank: int


def linear_loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """A mean over tokens whose gradient at token i's output is g_i / n."""
    x, g = batch
    return (model(x) * g).sum() / len(x)


def layer(p: Population) -> nn.Module:
    model = nn.Sequential(nn.Linear(p.x.shape[1], p.g.shape[1], bias=False)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(
                torch.randn(
                    parameter.shape, generator=Generator().manual_seed(0), dtype=torch.float64
                )
            )
    return model


def example(seed: int = 1000) -> Population:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((40, 8)) * np.arange(1, 9) ** -0.7 + rng.standard_normal(8) / 2
    g = (x @ rng.standard_normal((8, 5)) + rng.standard_normal((40, 5))) * np.abs(x[:, :1])
    return Population(torch.from_numpy(x), torch.from_numpy(g), 3)


@st.composite
def populations(draw, tokens: int = 40) -> Population:
    """Any shape, spectrum and mean of x; g from independent of x to a power of one entry of x."""
    d, k = draw(st.integers(2, 12)), draw(st.integers(1, 6))
    rank = draw(st.integers(1, min(d, k)))
    decay, mean, link, power = (draw(st.floats(0, top)) for top in (1.5, 3, 1, 2))
    rng = np.random.default_rng(draw(seeds))
    x = (
        rng.standard_normal((tokens, d))
        * np.arange(1, d + 1) ** -decay
        @ np.linalg.qr(rng.standard_normal((d, d))).Q
    )
    x = x + mean * rng.standard_normal(d) / np.sqrt(d)
    g = link * x @ rng.standard_normal((d, k)) + rng.standard_normal((tokens, k))
    g = g * np.abs(x[:, :1]) ** power
    return Population(torch.from_numpy(x), torch.from_numpy(g), rank)


def collected(p: Population) -> Statistics:
    return lora.collect(layer(p), ["0"], [(p.x, p.g)], "gradient", linear_loss)["0"]


def array(value: Tensor | None) -> np.ndarray:
    assert value is not None
    return value.detach().numpy()


def rows(scheme: str, p: Population, stats: Statistics, **options: Any) -> np.ndarray:
    W = torch.zeros(p.g.shape[1], p.x.shape[1], dtype=torch.float64)
    return SCHEMES[scheme](W, p.rank, stats=stats, **options).A.numpy()


def orthonormal(rank: int, d: int, rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((d, rank))).Q.T


def competitors(A: np.ndarray, S: np.ndarray, seed: int) -> list[np.ndarray]:
    """Orthonormal rows that try to beat A: random ones, the library's, A turned, A tilted into the
    rest, ascents."""
    rank, d = A.shape
    rng = np.random.default_rng([seed, 7])
    W = torch.zeros(rank, d, dtype=torch.float64)
    found = [orthonormal(rank, d, rng) for _ in range(10)]
    found += [
        SCHEMES["orthogonal"](W, rank, Generator().manual_seed(seed + i)).A.numpy()
        for i in range(5)
    ]
    found.append(np.linalg.qr(rng.standard_normal((rank, rank))).Q @ A)
    for _ in range(10):  # nearby: what a wrong last row would lose to
        tilt = rng.standard_normal((rank, d)) * 10 ** rng.uniform(-6, 0)
        found.append(np.linalg.qr((A + tilt).T).Q.T)
    outside = np.linalg.svd(A)[2][rank:]
    # each row exchanged for each direction that was left out
    for i, u in itertools.product(range(rank), outside):
        found.append(np.concatenate([A[:i], u[None], A[i + 1 :]]))
    for start in (found[0], found[1]):  # climbs to the top eigenspace from wherever it is
        for _ in range(30):
            start = np.linalg.qr(S @ start.T + 1e-300 * start.T).Q.T
            found.append(start)
    return found
