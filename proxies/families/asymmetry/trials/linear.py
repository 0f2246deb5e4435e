"""Least squares with one factor frozen: closed forms, explained parts, conditioning, gaps, against
theory.asymmetry.

Inputs have independent coordinates: a rotation of them changes nothing, since the frozen factors
have no direction of their own. Frozen factors are Gaussian where only their span counts,
orthonormal where more does.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

import lora
from theory.asymmetry import Array, descent, gaps
from theory.asymmetry import frozen_factor as theory

EPS = theory.EPS
# name: inputs, outputs, a in lambda_i = i^-a, b in E|D v_i|^2 = lambda_i^b, which i the change D
# acts on
CASES: dict[str, tuple[int, int, float, float, slice]] = {
    "flat": (64, 64, 0, 0, slice(None)),
    "1/i": (64, 64, 1, 0, slice(None)),
    "1/i^2": (64, 64, 2, 0, slice(None)),
    "1/i, D on the top 8": (64, 64, 1, 0, slice(8)),
    "1/i, D on the bottom 8": (64, 64, 1, 0, slice(-8, None)),
    "1/i, whitened": (64, 64, 1, -1, slice(None)),
    "1/i, anti": (64, 64, 1, -2, slice(None)),
    "flat, 128 to 32": (128, 32, 0, 0, slice(None)),
    "flat, 32 to 128": (32, 128, 0, 0, slice(None)),
    "1/i, 128 to 32": (128, 32, 1, 0, slice(None)),
}
TRAINED = {
    "B": {"scheme": "orthogonal", "train_a": False},
    "A": {"scheme": "init_b", "train_b": False},
}


def power_law(size: int, exponent: float) -> Array:
    return np.arange(1.0, size + 1) ** -exponent


def changes(case: str, draws: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """lambda (in,) and `draws` of D S^1/2 (draws, out, in), D with Gaussian columns of the case's
    variances."""
    in_, out, exponent, weight, kept = CASES[case]
    values = power_law(in_, exponent)
    M = np.zeros((draws, out, in_))
    M[:, :, kept] = (rng.standard_normal(M.shape) * values ** ((1 + weight) / 2))[:, :, kept]
    return values, M


def projected(M: Array, columns: Array) -> Array:
    """The share of each |M|^2 (draws, out, in) in the span of `columns` (draws, in, r).

    It is theory.asymmetry.frozen_factor (2) over T for M = D S^1/2 and columns = S^1/2 Q^T, and
    (3) at H = 1 for the transposes.
    """
    return np.sum((M @ np.linalg.qr(columns).Q) ** 2, (1, 2)) / np.sum(M**2, (1, 2))


def orthonormal(rows: int, columns: int, rng: np.random.Generator) -> Array:
    return np.linalg.qr(rng.standard_normal((rows, columns))).Q


def attached(
    model: nn.Module, trained: str, rank: int, seed: int, target: str = "0"
) -> lora.LoRALinear:
    """The model's layer `target` with an adapter of which `trained` ("A", "B") is trained,
    scale 1."""
    settings: dict[str, Any] = TRAINED[trained]
    lora.attach(
        model, lora.Config(rank=rank, alpha=rank, target_modules=(target,), seed=seed, **settings)
    )
    return lora.adapters(model)[target]


def closed_forms(seed: int) -> dict[str, float]:
    """The optima (2) and (3) of theory.asymmetry.frozen_factor on a lora layer.

    Returns: the layer's gradient at the optimum over the one at its initialization, and its loss
        against T - III; the larger of the two sides, in units of eps cond(S) cond(frozen factor)^2.
    """
    rng = np.random.default_rng(seed)
    out, in_ = (int(n) for n in rng.integers(2, 13, 2))
    rank = int(rng.integers(1, min(out, in_) + 1))
    W, target = rng.standard_normal((2, out, in_))
    x = rng.standard_normal((50, in_)) * power_law(in_, rng.uniform(0, 2))
    S, D = x.T @ x / len(x), target - W
    problem = theory.least_squares(D, S)
    worst = {"gradient": 0.0, "loss": 0.0}
    for name in TRAINED:
        model = nn.Sequential(nn.Linear(in_, out, bias=False, dtype=torch.float64))
        model[0].load_state_dict({"weight": torch.from_numpy(W)})
        layer = attached(model, name, rank, seed)
        A, B = (f.detach().numpy().copy() for f in (layer.A, layer.B))
        best = theory.best_B(problem, A) if name == "B" else theory.best_A(problem, B)
        explained = (
            theory.explained_B(problem, A) if name == "B" else theory.explained_A(problem, B)
        )
        trained, frozen = (layer.B, A) if name == "B" else (layer.A, B)
        unit = EPS * float(np.linalg.cond(S) * np.linalg.cond(frozen) ** 2)
        sizes = []
        for value in (np.zeros_like(best), best):
            with torch.no_grad():
                trained.copy_(torch.from_numpy(value))
            trained.grad = None
            found = (
                model(torch.from_numpy(x)) - torch.from_numpy(x @ target.T)
            ).square().sum() / len(x)
            found.backward()
            assert trained.grad is not None
            sizes.append(float(trained.grad.norm()))
        T = theory.total(problem)
        worst["gradient"] = max(worst["gradient"], sizes[1] / sizes[0] / unit)
        worst["loss"] = max(worst["loss"], abs(found.item() - (T - explained)) / T / unit)
    return worst


def explained(case: str, rank: int, draws: int, seed: int) -> dict[str, Any]:
    """Explained shares of T for random D, Q and U, and what theory.asymmetry predicts of them."""
    rng = np.random.default_rng([seed, list(CASES).index(case), rank])
    values, M = changes(case, draws, rng)
    _, out, in_ = M.shape
    B = projected(M, np.sqrt(values)[:, None] * rng.standard_normal((draws, in_, rank)))
    A = projected(M.swapaxes(1, 2), rng.standard_normal((draws, out, rank)))
    c = np.sum(M**2, 1)
    predicted = c @ theory.shares(values, rank) / c.sum(1)
    sign = (c @ values / c.sum(1)) * out / values.sum()
    return {
        "B": float(B.mean()),
        "A": float(A.mean()),
        "predicted": float(predicted.mean()),
        "sign": float(np.median(sign)),
        "z_A": standardised(A, rank / out),
        "out": out,
        "ratio": float(B.mean() / predicted.mean()),
        "wins": int((B >= A).sum()),
        "draws": draws,
    }


def standardised(draws: Array, expected: float) -> float:
    """The mean's distance from `expected` in standard errors."""
    return float((draws.mean() - expected) / (draws.std(ddof=1) / np.sqrt(len(draws))))


def few_inputs(rank: int, draws: int, seed: int) -> dict[str, float]:
    """theory.asymmetry.frozen_factor (9): inputs in `rank` of 64 directions, of equal variance."""
    rng = np.random.default_rng(seed)
    seen = (np.arange(64) < rank).astype(float)
    M = rng.standard_normal((draws, 64, 64)) * seen
    B = projected(M, seen[:, None] * rng.standard_normal((draws, 64, rank)))
    A = projected(M.swapaxes(1, 2), rng.standard_normal((draws, 64, rank)))
    gap = B - A
    return {
        "lost": float(np.abs(1 - B).max()),
        "z": standardised(gap, 1 - rank / 64),
        "gap": float(gap.mean()),
    }


def conditioning(exponent: float, rank: int, draws: int, seed: int) -> dict[str, Any]:
    """Condition numbers of the two Hessians, and the shares explained along descent, medians over
    draws; 64 x 64."""
    rng, values = np.random.default_rng(seed), power_law(64, exponent)
    S, steps = np.diag(values), (1, 10, 100, 1000)
    ratios, first_B, first_A, curves = [], [], [], []
    for _ in range(draws):
        D, Q, U = (
            rng.standard_normal((64, 64)),
            orthonormal(64, rank, rng).T,
            orthonormal(64, rank, rng),
        )
        problem = theory.least_squares(D, S)
        ratios.append(descent.condition(Q @ S @ Q.T) / (values[0] / values[-1]))
        B, A = descent.curve_B(D, S, Q, steps), descent.curve_A(D, S, U, steps)
        first_B.append(B[0] / theory.explained_B(problem, Q))
        first_A.append(A[0] / theory.explained_A(problem, U))
        curves.append(np.array([B, A]) / theory.total(problem))
    return {
        "ratio": float(np.median(ratios)),
        "worst": float(np.max(ratios)),
        "first_B": float(np.median(first_B)),
        "first_A": float(np.median(first_A)),
        "curves": np.mean(curves, 0).tolist(),
    }


def gap_draws(samples: int, repeats: int, seed: int) -> dict[str, Any]:
    """Gaps and test errors of least squares over `repeats` data sets: B trained, B at twice the
    rank, A, both.

    32 x 32, lambda_i = 1/i, rank 4, noise 1/2. `predicted` has the closed forms of
    theory.asymmetry.gaps; both trained is reduced-rank regression: ordinary least squares, then the
    best rank-4 part of what it fits.
    """
    d, rank, sigma = 32, 4, 0.5
    rng, values = np.random.default_rng(seed), power_law(d, 1)
    D = rng.standard_normal((d, d)) / np.sqrt(d)
    problem = theory.least_squares(D, np.diag(values))
    Q, Q2, U = (
        orthonormal(d, rank, rng).T,
        orthonormal(d, 2 * rank, rng).T,
        orthonormal(d, rank, rng),
    )
    gap: dict[str, list[float]] = {name: [] for name in ("B", "B2", "A", "BA")}
    risk: dict[str, list[float]] = {name: [] for name in gap}
    for _ in range(repeats):
        x = rng.standard_normal((samples, d)) * np.sqrt(values)
        y = x @ D.T + sigma * rng.standard_normal((samples, d))
        full = np.linalg.lstsq(x, y, rcond=None)[0].T
        P = np.linalg.svd(full @ x.T, full_matrices=False)[0][:, :rank]
        fits = {
            **{
                n: np.linalg.lstsq(x @ frozen.T, y, rcond=None)[0].T @ frozen
                for n, frozen in (("B", Q), ("B2", Q2))
            },
            "A": U @ (U.T @ full),
            "BA": P @ (P.T @ full),
        }
        for name, C in fits.items():
            test = theory.loss(problem, C) + d * sigma**2
            gap[name].append(test - float(np.sum((y - x @ C.T) ** 2)) / samples)
            risk[name].append(test)
    predicted = {
        "B": gaps.gap_B(problem, Q, sigma, samples),
        "B2": gaps.gap_B(problem, Q2, sigma, samples),
        "A": gaps.gap_A(problem, U, sigma, samples),
    }
    return {"gap": gap, "risk": risk, "predicted": predicted}
