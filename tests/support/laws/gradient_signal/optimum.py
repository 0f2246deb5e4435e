"""The laws of theory.gradient_signal.optimum, each as a check that a planted fault must fail."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator

import lora
from lora import SCHEMES, Statistics
from lora.ranks import distribute, signal_scores
from tests.support.laws.gradient_signal import (
    EPS,
    SIGMAS,
    UNITS,
    Population,
    array,
    collected,
    competitors,
    layer,
    linear_loss,
    rows,
)
from theory.gradient_signal import optimum as theory


def check_gradient_of_b(p: Population, scheme: str = "gradient_signal", alpha: float = 3.0) -> None:
    """(1): the mean over tokens of |dL/dB|^2, by autograd through lora's own layer, is s^2 Tr(A Q
    A^T)."""
    Q = array(collected(p).weighted_second_moment)
    model = layer(p)
    config = lora.Config(rank=p.rank, alpha=alpha, scheme=scheme, target_modules=("0",))
    lora.attach(model, config, [(p.x, p.g)], linear_loss)
    adapter: Any = lora.adapters(model)["0"]
    A, scale = array(adapter.A), alpha / p.rank
    total = 0.0
    for x, g in zip(p.x, p.g, strict=True):
        in_a, in_b = torch.autograd.grad((model(x[None]) * g).sum(), [adapter.A, adapter.B])
        total += float(in_b.square().sum())
        assert not in_a.any(), "nothing reaches A at B = 0"
    size = scale**2 * np.linalg.norm(A) ** 2 * np.trace(Q)
    assert abs(total / len(p.x) - scale**2 * theory.signal(A, Q)) <= UNITS * EPS * size


def check_optimum(p: Population, scheme: str, seed: int = 0) -> None:
    """(2): the rows reach the Ky Fan optimum of what the scheme is about, and no competitor is
    above it."""
    stats = collected(p)
    options = {"center": False} if scheme == "eva" else {}
    S = array(stats.second_moment if scheme == "eva" else stats.weighted_second_moment)
    A = rows(scheme, p, stats, **options)
    allowed = UNITS * EPS * len(S) * float(np.trace(S))
    assert np.abs(A @ A.T - np.eye(p.rank)).max() <= UNITS * EPS, "the feasible set"
    optimum = theory.ky_fan(S, p.rank)
    assert abs(theory.signal(A, S) - optimum) <= allowed
    for other in competitors(A, S, seed):
        assert theory.signal(other, S) <= theory.signal(A, S) + allowed
    assert abs(theory.best(A, S) - optimum) <= allowed


def check_independence(p: Population) -> None:
    """(3): with every pair (x_i, g_j) equally likely D = 0, so EVA without centring is the optimum
    of Q."""
    n = len(p.x)
    pairs = Population(p.x.repeat_interleave(n, 0), p.g.repeat(n, 1), p.rank)
    stats = collected(pairs)
    M, Q = array(stats.second_moment), array(stats.weighted_second_moment)
    power = float(p.g.square().sum(1).mean())
    allowed = UNITS * EPS * len(M) * float(np.trace(Q))
    assert np.abs(Q - power * M).max() <= allowed
    assert np.abs(theory.dependence(array(pairs.g), array(pairs.x))).max() <= allowed
    A = rows("eva", pairs, stats, center=False)
    assert abs(theory.signal(A, Q) - theory.ky_fan(Q, p.rank)) <= allowed


def check_loss_bound(p: Population) -> None:
    """(3) and (4): Q = E|g|^2 M + D, and what EVA misses of the optimum is between 0 and both
    bounds."""
    stats = collected(p)
    M, Q = array(stats.second_moment), array(stats.weighted_second_moment)
    N = float(p.g.square().sum(1).mean()) * M
    D = theory.dependence(array(p.g), array(p.x))
    allowed = UNITS * EPS * len(M) * float(np.trace(Q) + np.trace(N))
    assert np.abs(Q - N - D).max() <= allowed
    A = rows("eva", p, stats, center=False)
    missed = theory.ky_fan(Q, p.rank) - theory.signal(A, Q)
    bound = theory.loss_bound(Q, N, p.rank)
    assert -allowed <= missed <= bound + allowed
    assert bound <= 2 * p.rank * np.linalg.norm(Q - N, 2) + allowed
    assert abs(bound - theory.ky_fan(D, p.rank) - theory.ky_fan(-D, p.rank)) <= allowed


def check_centring(p: Population) -> None:
    """(5): both bounds on what EVA as released, with the mean removed, misses in the second
    moment."""
    stats = collected(p)
    M, C, mu = (array(s) for s in (stats.second_moment, stats.covariance, stats.mean))
    low, gap, high = theory.centring(C, mu, p.rank)
    allowed = UNITS * EPS * len(M) * float(np.trace(M))
    assert low - allowed <= gap <= high + allowed
    values = theory.eigen(C)[0]
    if p.rank < len(C) and values[p.rank - 1] - values[p.rank] <= 1e-6 * values[0]:
        return  # the top eigenspace is not defined, and each choice has a gap of its own
    A = rows("eva", p, stats)
    measured = theory.ky_fan(M, p.rank) - theory.signal(A, M)
    assert abs(measured - gap) <= allowed / 1e-6
    assert low - allowed <= measured <= high + allowed


def check_allocation(spectra: list[list[float]], budget: int) -> None:
    """(8): the library's ranks by gradient signal are the best of all divisions of the budget."""
    stats = {}
    for i, spectrum in enumerate(spectra):
        S = torch.diag(torch.tensor(spectrum, dtype=torch.float64))
        stats[str(i)] = Statistics(10, S.diagonal() * 0, S, None, S)
    scores = {name: signal_scores(layer, len(spectra[int(name)])) for name, layer in stats.items()}
    given_out = list(distribute(scores, budget).values())
    value = lambda ranks: sum(
        sum(sorted(s, reverse=True)[:r]) for s, r in zip(spectra, ranks, strict=True)
    )
    every = itertools.product(*(range(len(s) + 1) for s in spectra))
    optimum = max(value(ranks) for ranks in every if sum(ranks) <= budget)
    assert value(given_out) == pytest.approx(optimum, rel=UNITS * EPS)
    assert theory.allocation([np.sort(s)[::-1] for s in spectra], budget)[1] == pytest.approx(
        optimum, rel=UNITS * EPS
    )


def check_default_start(d: int, rank: int, seed: int) -> None:
    """(6) and (7): the signal of the default start over 400 of them, at SIGMAS standard errors."""
    rng = np.random.default_rng(seed)
    S = (lambda X: X.T @ X)(rng.standard_normal((2 * d, d)) * np.arange(1, d + 1) ** -1.0)
    W = torch.zeros(rank, d, dtype=torch.float64)
    draws = 400
    signals = [
        theory.signal(SCHEMES["init_a"](W, rank, Generator().manual_seed(seed + i)).A.numpy(), S)
        for i in range(draws)
    ]
    mean, variance = theory.default_signal(S, rank)
    assert abs(np.mean(signals) - mean) <= SIGMAS * np.sqrt(variance / draws)
    spread = (np.array(signals) - mean) ** 2
    assert abs(spread.mean() - variance) <= SIGMAS * spread.std() / np.sqrt(draws)
    assert theory.amplification(S, rank) == pytest.approx(
        3 * d / rank * theory.ky_fan(S, rank) / np.trace(S), rel=UNITS * EPS
    )
