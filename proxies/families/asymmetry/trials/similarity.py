"""Whether the trained factors follow their initialization or their task: subspaces of A and B,
compared across both."""

from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from proxies.families.asymmetry.trials.networks import (
    ADAPTED,
    Schedule,
    Split,
    initialized,
    pretrain,
    train,
)
from proxies.families.asymmetry.trials.populations import POPULATIONS, TURNS, piece_of, turned

KINDS = ("same task", "same initialization", "neither")
BATCH = 64
PIECES = 6  # disjoint parts of a pool


def overlap(X: Tensor, Y: Tensor) -> float:
    """|Q_X^T Q_Y|_F^2 / r, Q an orthonormal basis of the r columns: mean squared cosine of the
    principal angles."""
    Q_X, Q_Y = (torch.linalg.qr(factor.double()).Q for factor in (X, Y))
    return float((Q_X.mT @ Q_Y).square().sum() / X.shape[1])


def similarity(
    population: str,
    method: str,
    rank: int,
    rate: float,
    steps: int,
    first_seed: int,
    index: int,
    inits: int,
) -> dict[str, Any]:
    """Mean overlap over pairs of runs from one pretrained network, by layer: {"A": {kind: [layer 0,
    layer 1]}, "B": ..}.

    The runs are every pair of a task (three) and an initialization. The network is pretrained and
    adapted on one of PIECES disjoint parts of the pool, or on data of its own.

    Args:
        population: a key of POPULATIONS.
        method: a key of METHODS, whose initialization is taken; both factors are trained.
        rank: r of the factors.
        rate: the learning rate.
        steps: of Adam.
        first_seed: the seed of the order in which the pool is parted.
        index: which part.
        inits: how many initializations.
    """
    seed, (x, y) = first_seed + index, piece_of(population, first_seed, index, PIECES)
    runs = [(turn, i) for turn in TURNS for i in range(inits)]
    tasks = {turn: turned(population, x, y, turn, seed) for turn in TURNS}
    data = Split(*(torch.stack([tasks[turn][i] for turn, _ in runs]) for i in range(2)))
    one = pretrain(Split(x[None], y[None]), POPULATIONS[population].widths, (seed,))
    nets = one.chosen([0] * len(runs))
    initial = initialized(nets, method, rank, [inits * seed + i for _, i in runs], range(ADAPTED))
    factors = train(nets, initial, "BA", data, [rate], Schedule(steps, BATCH, seed))
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
