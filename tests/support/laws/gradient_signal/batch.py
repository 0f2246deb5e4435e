"""The laws of theory.gradient_signal.batch, each as a check that a planted fault must fail."""

import itertools

import numpy as np
import torch

from lora import SCHEMES, Statistics
from tests.support.laws.gradient_signal import EPS, UNITS, Population, array, collected, rows
from theory.gradient_signal import batch as batches
from theory.gradient_signal import optimum as theory


def check_batches(p: Population, n: int) -> None:
    """batch (1): E|dL/dB|^2 over every batch of n tokens drawn with replacement, by enumeration."""
    few = Population(p.x[:3], p.g[:3], p.rank)
    stats = collected(few)
    G, Q = array(stats.gradient), array(stats.weighted_second_moment)
    A = rows("orthogonal", few, stats)
    squares = []
    for chosen in itertools.product(range(3), repeat=n):
        batch = Population(few.x[list(chosen)], few.g[list(chosen)], few.rank)
        squares.append(np.linalg.norm(array(collected(batch).gradient) @ A.T) ** 2)
    expected = theory.signal(A, batches.batch_moment(Q, G, n))
    assert abs(np.mean(squares) - expected) <= UNITS * EPS * float(np.trace(Q))


def first_axis(scheme: str, Q: np.ndarray, M: np.ndarray, G: np.ndarray | None = None) -> int:
    """Which axis the scheme's only row lies along."""
    gradient = torch.from_numpy(np.zeros((2, 2)) if G is None else G)
    stats = Statistics(
        1e9, torch.zeros(2).double(), torch.from_numpy(M), gradient, torch.from_numpy(Q)
    )
    A = SCHEMES[scheme](torch.zeros(2, 2, dtype=torch.float64), 1, stats=stats).A[0]
    return int(A.abs().argmax())


def check_threshold() -> None:
    """batch (4): the c at which gradient_signal leaves EVA's axis, by bisection on the library's
    choices."""
    M = np.diag([4.0, 1.0])
    low, high = 0.1, 6.0
    for _ in range(60):
        middle = (low + high) / 2
        assert first_axis("eva", batches.censored(middle), M) == 0, "EVA does not see g"
        low, high = (
            (middle, high)
            if first_axis("gradient_signal", batches.censored(middle), M) == 0
            else (low, middle)
        )
    # an error of eps in the two entries moves their crossing by eps over the slope of their ratio,
    # 2.8
    assert abs(low - batches.censored_threshold()) <= 100 * EPS
    assert abs(low - 1.52839) <= 0.5e-5


def check_flip(s: tuple[float, float], kappa: tuple[float, float], noise: float) -> None:
    """batch (3): which axis leads M_n on both sides of n*, and the two limits by the library's
    schemes."""
    S, D = np.diag(s), np.diag(np.sqrt(kappa))
    Q, G = batches.regression(S, D, noise / 2)
    star = batches.flip_batch(s, kappa, noise)
    # at n* itself both axes are equal; the margin keeps rounding of M_n from deciding
    for n in (star * (1 + 1e-6), star * 10, np.inf):
        assert n < 1 or first_axis("gradient_signal", batches.batch_moment(Q, G, n), S) == 1
    for n in (1, star * (1 - 1e-6)):
        assert (
            not 1 <= n < star
            or first_axis("gradient_signal", batches.batch_moment(Q, G, n), S) == 0
        )
    assert first_axis("eva", Q, S) == 0
    assert first_axis("lora_ga", Q, S, G) == 1, "the right singular vectors of the full gradient"
