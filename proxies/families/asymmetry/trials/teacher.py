"""A layer inside a network: the student learns a changed first layer of y = V tanh(W x) with one
factor frozen."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import lora
from proxies.families.asymmetry.trials.linear import TRAINED, attached, power_law
from theory.asymmetry.freezing import which_to_freeze

SAMPLES = 1000  # for training, and as many for the test


@dataclass(frozen=True)
class Teacher:
    """Inputs of variance i^-exponent (mean 1), a change D of the first layer with E|D v_i|^2 ~
    lambda_i^weight."""

    in_: int = 48
    hidden: int = 48
    outputs: int = 48
    exponent: float = 0.0
    weight: float = 0.0
    # V has orthonormal rows or columns, so that the loss curves alike in all directions it sees
    even: bool = True


CASES = {
    "flat": Teacher(),
    "flat, uneven V": Teacher(even=False),
    "decaying": Teacher(exponent=1.5),
    "decaying, like a gradient": Teacher(exponent=1.5, weight=2),
    "decaying, anti": Teacher(exponent=1.5, weight=-2),
}


def drawn(seed: int) -> tuple[Teacher, int]:
    """A teacher and a rank that nothing was chosen on."""
    rng = np.random.default_rng(seed)
    in_, hidden, outputs = (int(n) for n in rng.choice([8, 16, 32, 48], 3))
    teacher = Teacher(
        max(in_, 16), max(hidden, 16), outputs, *rng.uniform([0, -2], 2).tolist(), even=False
    )
    return teacher, int(rng.choice([2, 4, 8]))


def known(case: str, rank: int, seed: int) -> dict[str, Any]:
    return learn(CASES[case], rank, seed)


def unseen(seed: int) -> dict[str, Any]:
    return learn(*drawn(seed), seed)


def learn(teacher: Teacher, rank: int, seed: int) -> dict[str, Any]:
    """The share of the test loss that training B alone, then A alone, removes, and the advice
    before either is tried."""
    rng = np.random.default_rng(seed)
    values = power_law(teacher.in_, teacher.exponent)
    values /= values.mean()
    D = rng.standard_normal((teacher.hidden, teacher.in_)) * values ** (teacher.weight / 2)
    D *= 0.5 * np.sqrt(teacher.hidden / np.sum(D**2 * values))  # it changes what tanh sees by 1/2
    W = rng.standard_normal(D.shape) / np.sqrt(teacher.in_)
    V = rng.standard_normal((teacher.outputs, teacher.hidden)) / np.sqrt(teacher.hidden)
    if teacher.even:
        U, _, Vt = np.linalg.svd(V, full_matrices=False)
        V = U @ Vt
    x, W, D, V = (
        torch.from_numpy(a)
        for a in (rng.standard_normal((2 * SAMPLES, teacher.in_)) * np.sqrt(values), W, D, V)
    )
    y = torch.tanh(x @ (W + D).mT) @ V.mT
    (x, x_test), (y, y_test) = x.split(SAMPLES), y.split(SAMPLES)
    share = {}
    for trained in TRAINED:
        model = _student(W, V)
        attached(model, trained, rank, seed)
        share[trained] = _learnt(model, (x, y), (x_test, y_test))
    return {**share, "advice": _advice(W, V, x, y, rank), "rank": rank}


def _student(W: Tensor, V: Tensor) -> nn.Sequential:
    model = nn.Sequential(
        nn.Linear(*W.shape[::-1], bias=False), nn.Tanh(), nn.Linear(*V.shape[::-1], bias=False)
    ).double()
    model.load_state_dict({"0.weight": W, "2.weight": V})
    return model


def _learnt(model: nn.Module, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> float:
    """The share of the test loss that L-BFGS on the training loss removes."""

    def loss(data: tuple[Tensor, Tensor]) -> Tensor:
        return (model(data[0]) - data[1]).square().mean()

    with torch.no_grad():
        before = float(loss(test))
    parameters = [p for group in lora.param_groups(model, lr=1.0) for p in group["params"]]
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=60, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        found = loss(train)
        found.backward()
        return found

    optimizer.step(closure)
    with torch.no_grad():
        return 1 - float(loss(test)) / before


def _advice(W: Tensor, V: Tensor, x: Tensor, y: Tensor, rank: int) -> dict[str, list[Any]]:
    """`which_to_freeze` from moments of the pretrained network on the training data, halves
    taken in turn, with two H.

    "errors": E[g g^T]. "fisher": E[J^T J], J = V diag(tanh'): the same over targets drawn about the
    network's own output.
    """
    h = torch.tanh(x @ W.mT)
    slope = 1 - h**2
    g = ((h @ V.mT - y) @ V) * slope
    halves = [(g[k::2].mT @ x[k::2] / len(x[k::2])).numpy() for k in range(2)]
    curvature = {"errors": g.mT @ g, "fisher": (V.mT @ V) * (slope.mT @ slope)}
    M = (x.mT @ x / len(x)).numpy()
    return {
        name: list(which_to_freeze(M, (H / len(x)).numpy(), (halves[0], halves[1]), rank))
        for name, H in curvature.items()
    }
