"""OP-LoRA and LoRA at one learning rate, and LoRA at OP-LoRA's effective learning rate.

The first step of a generator network from W2 = 0 is 1 + |h|^2 times LoRA's by gradient descent, and
1 + |h|_1 times by Adam (`theory.matfac.generator_network` (1) and (5)). So a comparison at one
nominal learning rate is one of two step sizes; the control gives LoRA, on each problem, the
learning rate times that problem's own factor.
"""

import numpy as np
import torch

from loralab.numbers import listed
from proxies.families.matfac.trials.methods import Params
from proxies.families.matfac.trials.sweep import Problem, Table

OPTIMIZERS = ("SGD", "Adam")


def one_rate(
    target: str,
    optimizer: str,
    rate: float,
    rows: int,
    columns: int,
    rank: int,
    seeds: int,
    steps: int,
    block: int,
) -> dict[str, Table]:
    """The final relative excess of each method, (1, seeds), None where the run diverged.

    Args:
        target: its name, see `targets.target`.
        optimizer: SGD or Adam.
        rate: the learning rate.
        rows: of the target.
        columns: of the target.
        rank: of B A.
        seeds: how many problems, paired over methods.
        steps: full-batch steps.
        block: the first seed.
    """
    network, plain = (
        Problem(target, method, optimizer, (rows, columns, rank), range(block, block + seeds))
        for method in ("OP bias", "direct")
    )
    first = effective(network.stacked(), optimizer)
    last = effective(network.train([rate], steps).final, optimizer)
    runs = {
        "OP-LoRA": network.run([rate], steps),
        "LoRA": plain.run([rate], steps),
        "LoRA, first step": plain.run([rate], steps, first),
        "LoRA, last step": plain.run([rate], steps, last),
    }
    found = {name: [listed(runs[0].final)] for name, runs in runs.items()}
    return found | {"first factor": [first], "last factor": [listed(np.array(last))]}


def effective(P: Params, optimizer: str) -> list[float]:
    """How many times LoRA's step a generator network with W2 = 0 and this h takes, one a run."""
    h = torch.baddbmm(P["b1"][..., None], P["W1"], P["z"][..., None])[..., 0].relu()
    return (1 + (h.sum(1) if optimizer == "Adam" else h.square().sum(1))).tolist()
