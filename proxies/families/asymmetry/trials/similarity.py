"""Whether the trained factors follow their start or their task: subspaces of A and B across starts
and tasks."""

from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from proxies.families.asymmetry.trials.digits import TURNS, bases, task
from proxies.families.asymmetry.trials.networks import ADAPTED, starts, train

KINDS = ("same task", "same start", "neither")
BATCH = 64


def overlap(X: Tensor, Y: Tensor) -> float:
    """|Q_X^T Q_Y|_F^2 / r, Q an orthonormal basis of the r columns: mean squared cosine of the
    principal angles."""
    Q_X, Q_Y = (torch.linalg.qr(factor.double()).Q for factor in (X, Y))
    return float((Q_X.mT @ Q_Y).square().sum() / X.shape[1])


def similarity(
    method: str, rank: int, rate: float, steps: int, base: int, inits: int
) -> dict[str, Any]:
    """Mean overlap over pairs of runs from one pretrained net, by layer: {"A": {kind: [layer 0,
    layer 1]}, "B": ..}.

    The runs are every pair of a task (three) and a start (`inits`). "start": how far A is still its
    own start.
    """
    runs = [(turn, i) for turn in TURNS for i in range(inits)]
    data = task((base,) * len(runs), tuple(turn for turn, _ in runs), 1000)
    nets = bases((base,)).chosen([0] * len(runs))
    start = starts(nets, method, rank, [inits * base + i for _, i in runs], range(ADAPTED))
    factors = train(nets, start, "BA", *data.train, [rate], steps, BATCH, base)
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
                    else "same start"
                    if init == other_init
                    else "neither"
                )
                found[kind].append(overlap(columns[i], columns[j]))
            for kind in KINDS:
                result[name][kind].append(float(np.mean(found[kind])))
    kept = [
        overlap(start[layer].A[i].mT, factors[layer].A[i, 0].mT)
        for layer in range(ADAPTED)
        for i in range(len(runs))
    ]
    return {**result, "start": float(np.mean(kept))}


def haar(size: int, rank: int, draws: int, seed: int) -> dict[str, list[float]]:
    """Overlaps of independent random subspaces, whose mean is r / size."""
    rng = torch.Generator().manual_seed(seed)
    pairs = torch.randn(draws, 2, size, rank, generator=rng, dtype=torch.float64)
    return {"overlaps": [overlap(X, Y) for X, Y in pairs]}
