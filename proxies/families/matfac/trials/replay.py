"""One generator network, every state of its training kept: the exact laws are measured on it."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from proxies.families.matfac.trials.engine import flat_views, loss
from proxies.families.matfac.trials.methods import Overparam, Params, Sizes
from proxies.families.matfac.trials.optimizers import SGD, Optimizer
from theory.matfac import generator_network as theory


class Replay(NamedTuple):
    """states, theta and h at steps 0..T; g, the gradients with respect to theta, at 0..T-1."""

    states: list[theory.Generator]
    theta: NDArray
    h: NDArray
    g: NDArray

    @property
    def switches(self) -> int:
        """How many times a unit went on or off."""
        on = np.array([state.hidden()[1] for state in self.states])
        return int((on[1:] != on[:-1]).sum())


def replay(
    method: Overparam,
    M: Tensor,
    rank: int,
    initial: Params,
    rate: float,
    steps: int,
    optimizer: type[Optimizer] = SGD,
) -> Replay:
    """The engine's own forward, backward and optimizer on one run.

    Args:
        method: the generator network.
        M: the target (rows, columns) in float64.
        rank: of the factors.
        initial: the parameters before the first step.
        rate: the learning rate.
        steps: of the optimizer.
        optimizer: plain gradient descent unless said.
    """
    batch = {name: value[None] for name, value in initial.items()}
    theta, P = flat_views(batch)
    gradient, out = flat_views(batch)
    for name, value in batch.items():
        P[name].copy_(value)
    rule, sizes = optimizer(theta), Sizes(M.shape[0], M.shape[1], rank)
    states, g = [_state(P, method)], []
    for _ in range(steps):
        B, A, memory = method.factors(P, sizes)
        f = loss(M, B, A)
        method.backward(P, memory, f.gB, f.gA, out)
        g.append(out["b2"][0].numpy().copy())
        rule.step(theta, gradient, torch.tensor([[rate]], dtype=M.dtype))
        states.append(_state(P, method))
    thetas, h = (
        [f(state) for state in states] for f in (theory.Generator.theta, lambda s: s.hidden()[0])
    )
    return Replay(states, np.array(thetas), np.array(h), np.array(g))


def params(state: theory.Generator) -> Params:
    return {name: torch.from_numpy(getattr(state, name)) for name in ("z", "W1", "b1", "W2", "b2")}


def _state(P: Params, method: Overparam) -> theory.Generator:
    z, W1, b1, W2, b2 = (P[name][0].numpy().copy() for name in ("z", "W1", "b1", "W2", "b2"))
    return theory.Generator(z, W1, b1, W2, b2, method.activation)
