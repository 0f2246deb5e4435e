"""The laws of theory.asymmetry as checks: training one factor on a lora layer, by descent, and on
samples."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import lora
from tests.support.laws.asymmetry.quadratic import (
    EPS,
    UNITS,
    Array,
    orthonormal,
    power_law,
    semidefinite,
    within,
)
from theory.asymmetry import descent, gaps
from theory.asymmetry import frozen_factor as theory


def layer_of(W: Array, config: lora.Config) -> tuple[nn.Module, lora.LoRALinear]:
    linear = nn.Linear(W.shape[1], W.shape[0], bias=False, dtype=torch.float64)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(W))
    model = nn.Sequential(linear)
    lora.attach(model, config)
    return model, lora.adapters(model)["0"]


TRAINED = {
    "B": lora.Config(rank=3, alpha=6.0, scheme="orthogonal", train_a=False, target_modules=("0",)),
    "A": lora.Config(rank=3, alpha=6.0, scheme="init_b", train_b=False, target_modules=("0",)),
}


def sample(out: int, in_: int, seed: int) -> tuple[Array, Array, Array]:
    """A pretrained weight, the weight to learn, and inputs (64, in) of a spread spectrum."""
    rng = np.random.default_rng(seed)
    W, target = rng.standard_normal((2, out, in_))
    return W, target, rng.standard_normal((64, in_)) * power_law(in_, 0.5)


def check_layer(trained: str, out: int, in_: int, seed: int) -> None:
    """(1) and (2) of theory.asymmetry.descent, and (2), (3) of theory.asymmetry.frozen_factor,
    through autograd on a lora layer."""
    W, target, x = sample(out, in_, seed)
    model, layer = layer_of(W, TRAINED[trained])
    xs, y, s = torch.from_numpy(x), torch.from_numpy(x @ target.T), layer.scale
    factors = {"A": layer.A, "B": layer.B}
    frozen = {"A": "B", "B": "A"}[trained]
    before = factors[frozen].detach().clone()

    def mean_loss() -> torch.Tensor:
        return (model(xs) - y).square().sum() / (2 * len(x))

    mean_loss().backward()
    assert factors[frozen].grad is None
    S, D = x.T @ x / len(x), target - W
    G = -D @ S
    A, B = (factors[name].detach().numpy().copy() for name in ("A", "B"))
    expected = getattr(descent.gradients(G, B, A, s), trained)
    allowed = UNITS * EPS * np.linalg.norm(G) * np.linalg.norm(factors[frozen].detach()) * s
    found = factors[trained].grad
    assert found is not None
    assert np.linalg.norm(found.numpy() - expected) <= allowed
    torch.optim.SGD([factors[trained]], lr=0.1).step()
    change = s * (layer.B @ layer.A).detach().numpy()
    first = (
        descent.first_change_B(G, A, 0.1, s)
        if trained == "B"
        else descent.first_change_A(G, B, 0.1, s)
    )
    assert np.linalg.norm(change - first) <= allowed * s * np.linalg.norm(before)
    problem = theory.least_squares(D, S)
    best = theory.best_B(problem, A) if trained == "B" else theory.best_A(problem, B)
    explained = theory.explained_B(problem, A) if trained == "B" else theory.explained_A(problem, B)
    with torch.no_grad():
        factors[trained].copy_(torch.from_numpy(best / s))
    factors[trained].grad = None
    optimum = mean_loss()
    optimum.backward()
    found = factors[trained].grad
    assert found is not None
    unit = UNITS * EPS * np.linalg.cond(S)
    assert np.linalg.norm(found.numpy()) <= unit * np.linalg.norm(expected)
    assert 2 * optimum.item() == pytest.approx(
        theory.total(problem) - explained, abs=unit * theory.total(problem)
    )
    assert torch.equal(factors[frozen], before)


def check_descent(out: int, in_: int, rank: int, seed: int) -> None:
    """(4) and (5) of theory.asymmetry.descent against the recursion itself."""
    rng = np.random.default_rng(seed)
    D, S = rng.standard_normal((out, in_)), semidefinite(in_, 50, rng)
    Q, U = orthonormal(in_, rank, rng).T, orthonormal(out, rank, rng)
    problem = theory.least_squares(D, S)
    T = theory.total(problem)
    L_B, L_A = np.linalg.eigvalsh(Q @ S @ Q.T)[-1], np.linalg.eigvalsh(S)[-1]
    B, A, run_B, run_A = np.zeros((out, rank)), np.zeros((rank, in_)), [], []
    for _ in range(12):
        run_B.append(T - theory.loss(problem, B @ Q))
        run_A.append(T - theory.loss(problem, U @ A))
        B = B + (D - B @ Q) @ S @ Q.T / L_B
        A = A + U.T @ (D - U @ A) @ S / L_A
    np.testing.assert_allclose(
        descent.curve_B(D, S, Q, range(12)), run_B, rtol=0, atol=UNITS * EPS * 50 * T
    )
    np.testing.assert_allclose(
        descent.curve_A(D, S, U, range(12)), run_A, rtol=0, atol=UNITS * EPS * 50 * T
    )
    nu, values = (np.linalg.eigvalsh(m)[::-1] for m in (Q @ S @ Q.T, S))
    assert (nu <= values[:rank] * (1 + UNITS * EPS * 50)).all()
    assert (nu >= values[in_ - rank :] * (1 - UNITS * EPS * 50)).all()
    assert descent.condition(Q @ S @ Q.T) <= descent.condition(S) * (1 + UNITS * EPS * 50)


def check_gaps(samples: int, seed: int, repeats: int = 300) -> None:
    """(2) to (4) of theory.asymmetry.gaps: 300 data sets, means to 4.5 standard errors."""
    out, in_, rank, sigma = 6, 8, 2, 0.5
    rng = np.random.default_rng(seed)
    D, S = rng.standard_normal((out, in_)), np.diag(power_law(in_, 1))
    problem = theory.least_squares(D, S)
    Q, U = orthonormal(in_, rank, rng).T, orthonormal(out, rank, rng)
    records = []
    for _ in range(repeats):
        x = rng.standard_normal((samples, in_)) * np.sqrt(np.diag(S))
        y = x @ D.T + sigma * rng.standard_normal((samples, out))
        B = np.linalg.lstsq(x @ Q.T, y, rcond=None)[0].T
        A = np.linalg.lstsq(x, y @ U, rcond=None)[0].T
        row = []
        for C in (np.asarray(B @ Q, float), np.asarray(U @ A, float)):
            test = theory.loss(problem, C) + out * sigma**2
            row += [test - np.sum((y - x @ C.T) ** 2) / samples, test]
        records.append(row)
    gap_B, risk_B, gap_A, risk_A = np.array(records).T
    assert within(gap_B, gaps.gap_B(problem, Q, sigma, samples))
    assert within(risk_B, gaps.risk_B(problem, Q, sigma, samples))
    assert within(gap_A, gaps.gap_A(problem, U, sigma, samples))
    assert within(risk_A, gaps.risk_A(problem, U, sigma, samples))


def check_excess(features: int = 4, samples: int = 6) -> None:
    """(1) of theory.asymmetry.gaps: with Gaussian features the trace of (Z^T Z)^-1 has a mean,
    which scipy knows."""
    rng = np.random.default_rng(1011)
    problem = theory.least_squares(rng.standard_normal((3, features)), np.eye(features))
    mean: Any = stats.invwishart(samples, np.eye(features)).mean()
    excess = 2 * 0.25 * np.trace(np.atleast_2d(mean))
    found = gaps.gap_A(problem, orthonormal(3, 2, rng), 0.5, samples)
    assert found == pytest.approx(2 * 0.25 * features / samples + excess, rel=100 * EPS)
