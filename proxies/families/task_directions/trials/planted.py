"""Regression with planted directions: y = (W + D) x + noise, D large on chosen core directions of
W.

W = U diag(sigma) V^T is square with Haar-distributed U and V. D = U (C + O) V^T, where C is
diagonal on T, C_ii = +-sigma_i, and O is Gaussian of norm off |C|: so the rates
theory.task_directions.directions (1) are 1 on T. A negative C_ii removes the direction, which is
what an initialization that carries it has for nothing (theory.task_directions.gains (6)); so there
is a case without any.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor, nn

from proxies.families.task_directions.trials.problem import Batch, Task
from theory.task_directions import Array, Core, Indices
from theory.task_directions.null import haar

SIZE, PLANTED, NOISE, BATCH = 64, 8, 0.1, 64
LAYER = "0"
RANK_WITHOUT = 12  # of a change without core structure


@dataclass(frozen=True)
class Case:
    """`where` says which directions are planted; "none" puts a random change of rank 12 and of like
    size instead."""

    where: str = "random"
    off: float = 0.5
    spectrum: str = "linear"
    inputs: str = "flat"
    grown: bool = False
    """whether every C_ii is positive"""


CASES = {
    "random": Case(),
    "top": Case("top"),
    "middle": Case("middle"),
    "bottom": Case("bottom"),
    "none": Case("none"),
    "grown": Case(grown=True),
    "random, inputs 1/i": Case(inputs="1/i"),
    "random, off 2": Case(off=2.0),
    "random, sigma exponential": Case(spectrum="exponential"),
}


class Problem(NamedTuple):
    """D (n, n); `basis` of W; `chosen`, the indices T; `root` L (n, n) of the inputs x = L z, z
    standard normal."""

    D: Array
    basis: Core
    chosen: Indices
    root: Array

    @property
    def W(self) -> Array:
        return (self.basis.U * self.basis.sigma) @ self.basis.Vt


def problem(case: str, seed: int) -> Problem:
    setting, rng, n = CASES[case], np.random.default_rng(seed), SIZE
    U, V, Q = (haar(n, n, rng) for _ in range(3))
    i = np.arange(n)
    sigma = {"linear": (n - i) / n, "exponential": np.exp(-4 * i / n)}[setting.spectrum]
    chosen = {
        "top": i[:PLANTED],
        "middle": i[(n - PLANTED) // 2 : (n + PLANTED) // 2],
        "bottom": i[-PLANTED:],
    }.get(setting.where, rng.permutation(n)[:PLANTED])
    C = np.zeros((n, n))
    signs = rng.choice([-1, 1], PLANTED)
    C[chosen, chosen] = sigma[chosen] * (1 if setting.grown else signs)
    size = np.linalg.norm(C)
    if setting.where == "none":
        C = rng.standard_normal((n, RANK_WITHOUT)) @ rng.standard_normal((RANK_WITHOUT, n))
        C *= size / np.linalg.norm(C)
    else:
        C += setting.off * size / n * rng.standard_normal((n, n))
    variance = np.ones(n) if setting.inputs == "flat" else 1 / (i + 1)
    return Problem(
        U @ C @ V.T, Core(U, sigma, V.T), chosen, Q * np.sqrt(variance / variance.mean())
    )


def linear(W: Array) -> nn.Sequential:
    layer = nn.utils.skip_init(nn.Linear, W.shape[1], W.shape[0], bias=False)
    layer.weight = nn.Parameter(tensor(W))
    return nn.Sequential(layer)


def tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).float()


def squared(model: nn.Module, batch: Batch) -> Tensor:
    x, y = batch
    return (model(x) - y).square().sum(1).mean() / 2


def task(case: str, seed: int) -> Task:
    """`error` is the excess risk relative to that of leaving W as it is."""
    given = problem(case, seed)
    W, D, root = tensor(given.W), tensor(given.D), tensor(given.root)
    before = float((D @ root).square().sum())

    def batch(rng: Generator) -> Batch:
        x, noise = torch.randn(2, BATCH, SIZE, generator=rng)
        x = x @ root.mT
        return x, x @ (W + D).mT + NOISE * noise

    @torch.no_grad()
    def error(model: nn.Module) -> float:
        left = model(torch.eye(SIZE)).mT - W - D
        return float((left @ root).square().sum()) / before

    return Task(lambda: linear(given.W), batch, squared, error, (LAYER,), lambda: {LAYER: D})
