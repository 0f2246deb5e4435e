"""The laws of `theory.overparam_generation.frozen`."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from theory.matfac import generator_network
from theory.overparam_generation import frozen

EPS = np.finfo(float).eps
SEEDS = st.integers(0, 2**32)
OPTIMIZERS = {
    "sgd": lambda p, rate: torch.optim.SGD(p, rate),
    "momentum": lambda p, rate: torch.optim.SGD(p, rate, momentum=0.9),
    "adam": lambda p, rate: torch.optim.Adam(p, rate, eps=1e-300),
}


def path(optimizer: str, rate: float, h: torch.Tensor, seed: int, steps: int = 12) -> torch.Tensor:
    """theta = W2 h + b2 over training on a loss that is not convex, (steps, 5); no hidden units for
    plain LoRA."""
    rng = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=rng, dtype=torch.float64)
    M, b2 = draw(5, 5), draw(5).requires_grad_()
    W2 = torch.zeros(5, len(h), dtype=torch.float64, requires_grad=True)
    trained = OPTIMIZERS[optimizer]([W2, b2] if len(h) else [b2], rate)
    found = []
    for step in range(steps):
        for group in trained.param_groups:
            group["lr"] = rate * (1 - step / steps)
        trained.zero_grad()
        theta = W2 @ h + b2
        (M @ theta).cos().sum().backward()
        trained.step()
        found.append(theta.detach())
    return torch.stack(found)


@given(SEEDS, st.sampled_from(sorted(OPTIMIZERS)), st.integers(1, 6))
def test_a_frozen_generator_is_lora_at_another_learning_rate(seed, optimizer, m):
    """(1) and (2), at every step and under a schedule."""
    rng = torch.Generator().manual_seed(seed + 1)
    h = torch.randn(m, generator=rng, dtype=torch.float64).relu()
    kind = "adam" if optimizer == "adam" else "sgd"
    other = frozen.effective(0.01, h.numpy(), kind)
    found = path(optimizer, 0.01, h, seed)
    plain = path(optimizer, other, h[:0], seed)
    # Twelve steps, in each of which rounding grows by at most 1 + rate times the curvature of some
    # tens; Adam's by the inverse of a gradient near zero. Seen: 1e-12.
    torch.testing.assert_close(found, plain, rtol=1e-8, atol=1e-8)


def test_a_generator_that_moves_is_not_lora_at_any_learning_rate():
    """Why (1) says "stand still": with h trained too, theta leaves the line that plain LoRA's first
    step, of any length, is on."""
    rng = np.random.default_rng(1)
    state = generator_network.Generator(
        rng.standard_normal(3),
        rng.standard_normal((4, 3)),
        rng.standard_normal(4),
        rng.standard_normal((5, 4)),
        rng.standard_normal(5),
    )
    g = rng.standard_normal(5)
    assert state.hidden()[1].sum() >= 2
    change = state.step(g, 0.01).theta() - state.theta()
    off = change - (change @ g) / (g @ g) * g
    assert np.linalg.norm(off) > 0.1 * np.linalg.norm(change)
    still = frozen.effective(0.01, state.hidden()[0], "sgd")
    assert np.linalg.norm(change + still * g) > 0.1 * np.linalg.norm(change)


@given(SEEDS, st.integers(1, 6), st.floats(1e-5, 1e-1))
def test_good_learning_rates_are_shifted_and_as_many(seed, m, rate):
    """(3): a score of the trained theta, as a function of log10 of the learning rate, is LoRA's
    moved by a constant."""
    h = np.abs(np.random.default_rng(seed).standard_normal(m))
    moved = np.log10(frozen.effective(rate, h, "adam")) - np.log10(rate)
    assert moved == pytest.approx(frozen.shifted(rate, h), abs=100 * EPS)
    assert moved == pytest.approx(np.log10(1 + h.sum()), abs=100 * EPS)


@given(SEEDS, st.integers(2, 6), st.integers(2, 6), st.integers(1, 6))
def test_half_the_rank_reaches_less(seed, rows, columns, rank):
    """(4), against the losses of truncated products; nothing is lost where those directions are
    not there."""
    rng = np.random.default_rng(seed)
    M = rng.standard_normal((rows, columns))
    U, s, Vt = np.linalg.svd(M)
    s = np.pad(s, (0, rank))
    cut = lambda k: (U[:, :k] * s[: min(k, rows)][:rows]) @ Vt[: min(k, rows)]

    def loss(k: int) -> float:
        k = min(k, rows, columns)
        return float(((cut(k) - M) ** 2).sum() / 2)

    found = frozen.lost_by_half(M, rank)
    size = float((M**2).sum())
    assert found == pytest.approx(loss(rank // 2) - loss(rank), abs=100 * EPS * size)
    assert found >= -100 * EPS * size
    low = (U[:, :1] * s[0]) @ Vt[:1]
    assert frozen.lost_by_half(low, 2) == pytest.approx(0, abs=100 * EPS * size)


@given(SEEDS, st.integers(1, 3))
def test_no_generator_reaches_beyond_its_rank(seed, rank):
    """Whatever its hidden units, B A has rank r at most."""
    rng = np.random.default_rng(seed)
    h = rng.standard_normal(8) * 100
    theta = rng.standard_normal((rank * 11, 8)) @ h + rng.standard_normal(rank * 11)
    B, A = theta[: 5 * rank].reshape(5, rank), theta[5 * rank :].reshape(rank, 6)
    assert np.linalg.matrix_rank(B @ A) <= rank
