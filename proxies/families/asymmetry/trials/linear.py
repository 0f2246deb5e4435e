"""Least squares with one factor frozen: closed forms, explained shares and conditioning, against
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
from theory.asymmetry import Array, descent
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
        "ratios": (B / predicted).tolist(),
        "sign": float(np.median(sign)),
        # the fewest directions that either side really uses, over the rank
        "room": min(theory.participation(np.diag(values)), out) / rank,
        "out": out,
        "wins": int((B >= A).sum()),
    }


def standardised(draws: Array, expected: float) -> float:
    """The mean's distance from `expected` in standard errors."""
    return float((draws.mean() - expected) / (draws.std(ddof=1) / np.sqrt(len(draws))))


def conditioning(exponent: float, rank: int, draws: int, seed: int) -> dict[str, Any]:
    """Condition numbers of the two Hessians, and the shares of its own optimum that each factor
    reaches in one step, over draws; 64 x 64."""
    rng, values = np.random.default_rng(seed), power_law(64, exponent)
    S = np.diag(values)
    ratios, lead = [], []
    for _ in range(draws):
        D, Q, U = (
            rng.standard_normal((64, 64)),
            orthonormal(64, rank, rng).T,
            orthonormal(64, rank, rng),
        )
        problem = theory.least_squares(D, S)
        ratios.append(descent.condition(Q @ S @ Q.T) / (values[0] / values[-1]))
        B, A = descent.curve_B(D, S, Q, [1])[0], descent.curve_A(D, S, U, [1])[0]
        lead.append(B / theory.explained_B(problem, Q) - A / theory.explained_A(problem, U))
    return {"worst": float(np.max(ratios)), "lead": float(np.mean(lead))}
