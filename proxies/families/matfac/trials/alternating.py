"""Alternating least squares: B = M A^+, then A = B^+ M. It has no learning rate; a step is one such
sweep."""

from typing import Any

import numpy as np
import torch
from torch import Generator

from lora import SCHEMES
from loralab.numbers import listed
from proxies.families.matfac.trials.sweep import (
    BANDS,
    FLOOR,
    INITIAL,
    THRESHOLDS,
    first_step,
)
from proxies.families.matfac.trials.targets import reduced
from proxies.families.matfac.trials.targets import target as make
from theory.matfac import generator_network as theory


def alternating(
    target: str, rows: int, columns: int, rank: int, seeds: int, sweeps: int, block: int
) -> dict[str, Any]:
    """Alternating least squares from LoRA's initialization of A.

    Args:
        target: its name, see `targets.target`.
        rows: of the target.
        columns: of the target.
        rank: of B A.
        seeds: how many problems.
        sweeps: how often both factors are solved for.
        block: the first seed.

    Returns: final (1, seeds), steps[x] (1, seeds) and the curve, as in `sweep.Sweep`.
    """
    excess = np.empty((sweeps + 1, 1, seeds))
    for i in range(seeds):
        M = reduced(make(target, rows, columns, rank, block + i))
        best, begin = theory.floor(M.numpy(), rank), float(M.square().sum() / 2)
        A = SCHEMES["init_a"](M, rank, Generator().manual_seed(INITIAL + block + i)).A
        excess[0, 0, i] = 1
        for t in range(1, sweeps + 1):
            B = torch.linalg.lstsq(A.mT, M.mT).solution.mT
            A = torch.linalg.lstsq(B, M).solution
            excess[t, 0, i] = (float((B @ A - M).square().sum() / 2) - best) / (begin - best)
    excess = np.maximum(excess, FLOOR)
    return {
        "final": listed(excess[-1]),
        "steps": {name: listed(first_step(excess, bar)) for name, bar in THRESHOLDS.items()},
        "curve": {"step": list(range(sweeps + 1))}
        | {name: listed(f(excess[:, 0], 1)) for name, f in BANDS.items()},
    }
