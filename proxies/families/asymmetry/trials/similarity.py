"""Whether the trained factors follow their initialization or their task: subspaces of A and B,
compared across both."""

from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from proxies.families.asymmetry.trials.digits import TURNS, pretrained, task
from proxies.families.asymmetry.trials.networks import ADAPTED, Schedule, initialized, train

KINDS = ("same task", "same initialization", "neither")
BATCH = 64


def overlap(X: Tensor, Y: Tensor) -> float:
    """|Q_X^T Q_Y|_F^2 / r, Q an orthonormal basis of the r columns: mean squared cosine of the
    principal angles."""
    Q_X, Q_Y = (torch.linalg.qr(factor.double()).Q for factor in (X, Y))
    return float((Q_X.mT @ Q_Y).square().sum() / X.shape[1])


def similarity(
    method: str, rank: int, rate: float, steps: int, base: int, inits: int
) -> dict[str, Any]:
    """Mean overlap over pairs of runs from one pretrained network, by layer: {"A": {kind: [layer 0,
    layer 1]}, "B": ..}.

    The runs are every pair of a task (three) and an initialization.

    Args:
        method: a key of METHODS, whose initialization is taken; both factors are trained.
        rank: r of the factors.
        rate: the learning rate.
        steps: of Adam.
        base: the seed of the network.
        inits: how many initializations.
    """
    runs = [(turn, i) for turn in TURNS for i in range(inits)]
    data = task((base,) * len(runs), tuple(turn for turn, _ in runs), 1000)
    nets = pretrained((base,)).chosen([0] * len(runs))
    initial = initialized(nets, method, rank, [inits * base + i for _, i in runs], range(ADAPTED))
    factors = train(nets, initial, "BA", data.train, [rate], Schedule(steps, BATCH, base))
    result: dict[str, Any] = {name: {kind: [] for kind in KINDS} for name in "AB"}
    for layer in range(ADAPTED):
        B, A = (factor[:, 0] for factor in factors[layer])
        for name, columns in (("A", A.mT), ("B", B)):
            found: dict[str, list[float]] = {kind: [] for kind in KINDS}
            for i, j in combinations(range(len(runs)), 2):
                (turn, init), (other_turn, other_init) = runs[i], runs[j]
                kind = (
                    "same task"
                    if turn == other_turn
                    else "same initialization"
                    if init == other_init
                    else "neither"
                )
                found[kind].append(overlap(columns[i], columns[j]))
            for kind in KINDS:
                result[name][kind].append(float(np.mean(found[kind])))
    return result


def haar(size: int, rank: int, draws: int, seed: int) -> dict[str, list[float]]:
    """Overlaps of independent random subspaces, whose mean is r / size."""
    rng = torch.Generator().manual_seed(seed)
    pairs = torch.randn(draws, 2, size, rank, generator=rng, dtype=torch.float64)
    return {"overlaps": [overlap(X, Y) for X, Y in pairs]}
