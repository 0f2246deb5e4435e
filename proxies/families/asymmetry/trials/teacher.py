"""A layer inside a network: the student learns a changed layer of a small network with one factor
frozen.

y = V tanh(W x), y = V relu(W x), y = V tanh(W' tanh(W x)) with a fixed W' after the changed W, and
the gated y = V (silu(G x) * W x) of Llama's feed-forward layers.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap
from torch.nn import functional as F

import lora
from proxies.families.asymmetry.trials.linear import TRAINED, attached, power_law
from theory.asymmetry.freezing import which_to_freeze

SAMPLES = 1000  # for training, and as many for the test
NETWORKS = ("tanh", "relu", "two layers", "gated")
Rest = Callable[[Tensor, Tensor], Tensor]
"""What the network makes of the layer's output z and its own input x, for one sample or many."""


@dataclass(frozen=True)
class Teacher:
    """Inputs of variance i^-exponent (mean 1), a change D of the layer with E|D v_i|^2 ~
    lambda_i^weight."""

    in_: int = 32
    hidden: int = 32
    outputs: int = 32
    exponent: float = 0.0
    weight: float = 0.0
    # V has orthonormal rows or columns, so that the loss curves alike in all directions it sees
    even: bool = True
    network: str = "tanh"


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
    exponent, weight = (float(value) for value in rng.uniform([0, -2], 2))
    network = NETWORKS[int(rng.integers(len(NETWORKS)))]
    sizes = max(in_, 16), max(hidden, 16), outputs
    teacher = Teacher(*sizes, exponent, weight, even=False, network=network)
    return teacher, int(rng.choice([2, 4, 8]))


def known(case: str, network: str, rank: int, seed: int) -> dict[str, Any]:
    return learn(replace(CASES[case], network=network), rank, seed)


def unseen(seed: int) -> dict[str, Any]:
    return learn(*drawn(seed), seed)


def _rest(teacher: Teacher, V: Tensor, rng: np.random.Generator) -> Rest:
    """Everything after the layer."""
    other = lambda *shape: torch.from_numpy(rng.standard_normal(shape) / np.sqrt(shape[-1]))
    if teacher.network == "two layers":
        W = other(teacher.hidden, teacher.hidden)
        return lambda z, x: torch.tanh(torch.tanh(z) @ W.mT) @ V.mT
    if teacher.network == "gated":
        G = other(teacher.hidden, teacher.in_)
        return lambda z, x: (F.silu(x @ G.mT) * z) @ V.mT
    activation = torch.tanh if teacher.network == "tanh" else torch.relu
    return lambda z, x: activation(z) @ V.mT


class Student(nn.Module):
    """The network with its layer at W, the rest fixed."""

    def __init__(self, W: Tensor, rest: Rest) -> None:
        super().__init__()
        self.layer = nn.Linear(*W.shape[::-1], bias=False, dtype=W.dtype)
        self.layer.load_state_dict({"weight": W})
        self.rest = rest

    def forward(self, x: Tensor) -> Tensor:
        return self.rest(self.layer(x), x)


def learn(teacher: Teacher, rank: int, seed: int) -> dict[str, Any]:
    """The share of the test loss that training B alone, then A alone, removes, and the advice
    before either is tried."""
    rng = np.random.default_rng(seed)
    values = power_law(teacher.in_, teacher.exponent)
    values /= values.mean()
    D = rng.standard_normal((teacher.hidden, teacher.in_)) * values ** (teacher.weight / 2)
    D *= 0.5 * np.sqrt(
        teacher.hidden / np.sum(D**2 * values)
    )  # each of D x has the mean square 1/4
    W = rng.standard_normal(D.shape) / np.sqrt(teacher.in_)
    V = rng.standard_normal((teacher.outputs, teacher.hidden)) / np.sqrt(teacher.hidden)
    if teacher.even:
        U, _, Vt = np.linalg.svd(V, full_matrices=False)
        V = U @ Vt
    x, W, D, V = (
        torch.from_numpy(a)
        for a in (rng.standard_normal((2 * SAMPLES, teacher.in_)) * np.sqrt(values), W, D, V)
    )
    rest = _rest(teacher, V, rng)
    y = rest(x @ (W + D).mT, x)
    (x, x_test), (y, y_test) = x.split(SAMPLES), y.split(SAMPLES)
    share = {}
    for trained in TRAINED:
        model = Student(W, rest)
        attached(model, trained, rank, seed, "layer")
        share[trained] = _learnt(model, (x, y), (x_test, y_test))
    return {**share, "advice": _advice(W, rest, x, y, rank), "rank": rank}


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


def _advice(W: Tensor, rest: Rest, x: Tensor, y: Tensor, rank: int) -> dict[str, list[Any]]:
    """`which_to_freeze` from moments of the pretrained network on the training data, halves
    taken in turn, with two H.

    "errors": E[g g^T]. "fisher": E[J^T J], J the derivative of the outputs in the layer's: the same
    over targets drawn about the network's own output.
    """
    z = x @ W.mT
    J = vmap(jacrev(rest))(z, x)
    g = torch.einsum("no,noh->nh", rest(z, x) - y, J)
    halves = [(g[k::2].mT @ x[k::2] / len(x[k::2])).numpy() for k in range(2)]
    curvature = {"errors": g.mT @ g, "fisher": torch.einsum("noh,nok->hk", J, J)}
    M = (x.mT @ x / len(x)).numpy()
    return {
        name: list(which_to_freeze(M, (H / len(x)).numpy(), (halves[0], halves[1]), rank))
        for name, H in curvature.items()
    }
