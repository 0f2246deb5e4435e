"""Trials of sweeps: a few initializations at one width, for some seeds, over learning rates. None
stands for a run that diverged.

A grid of learning rates is shifted by a random part of its step, drawn for each seed and width. The
error of reading a best learning rate off a grid is then independent from seed to seed and of mean
zero, so that an interval over seeds contains it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from proxies.families.lr_stability.trials import networks
from proxies.families.lr_stability.trials.engine import Runs, train
from proxies.families.lr_stability.trials.initializations import initial_factors

RATE = 0.3  # at n = 1, of the runs whose learning rates are powers of n
ENDS = np.array([-24.0, 4.0])  # log2 of the learning rates between which a threshold is sought
QUARTERS, ROUNDS = np.array([0.25, 0.5, 0.75]), 3
GRID_STEP, GRID_KEY = 0.5, 7  # octaves between the learning rates of a grid; of its random shift
LARGE = 1e30  # stands for what diverged where only "above the threshold" counts
Array = NDArray[np.float64]


def powers(
    width: int,
    seeds: list[int],
    names: list[str],
    exponents: list[list[float]],
    steps: int,
    samples: int,
    rank: int,
) -> list[dict[str, Any]]:
    """For each seed every quantity of the engine after step 1 and the last, (2, names, pairs),
    where eta = 0.3 n^c for each pair (c_A, c_B) in `exponents`; a linear loss.
    """
    pairs = torch.tensor(exponents, dtype=torch.float64)
    rates = (RATE * width**pairs).expand(len(seeds), len(names), -1, -1)
    found = _trained(
        width,
        seeds,
        names,
        rates[..., 0],
        rates[..., 1],
        samples,
        rank,
        steps=steps,
        record=(1, steps),
    )
    return [
        {name: listed(values[:, i]) for name, values in found.items()} for i in range(len(seeds))
    ]


def thresholds(
    width: int,
    seeds: list[int],
    names: list[str],
    steps: int,
    samples: int,
    rank: int,
    scale: float,
    threshold: float,
    network: str = "mup",
) -> list[list[float]]:
    """log2 of the largest learning rate, (seeds, names), up to which Z_B stays below the threshold
    after that many steps of a linear loss. The learning rates that enclose it are brought together
    to 0.44 octaves, on which log Z_B is taken as straight.
    """

    def sizes(rates: Array) -> Array:
        rate = torch.tensor(2.0**rates)
        found = _trained(
            width, seeds, names, rate, rate, samples, rank, network, steps=steps, scale=scale
        )["Z_B"][0]
        return found.nan_to_num(LARGE).clamp(max=LARGE).numpy()

    rates = np.broadcast_to(ENDS, (len(seeds), len(names), 2))
    size = sizes(rates)
    if not ((size[..., 0] <= threshold) & (size[..., 1] > threshold)).all():
        raise ValueError(
            f"learning rates from 2^{ENDS[0]:g} to 2^{ENDS[1]:g} do not enclose the threshold "
            f"{threshold:g}"
        )
    for _ in range(ROUNDS):
        inner = rates[..., :1] + (rates[..., 1:] - rates[..., :1]) * QUARTERS
        rates, size = (
            np.insert(x, [1], new, 2) for x, new in ((rates, inner), (size, sizes(inner)))
        )
        above = (size > threshold).argmax(2)[..., None] + np.array([-1, 0])
        rates, size = (np.take_along_axis(x, above, 2) for x in (rates, size))
    (x0, x1), (y0, y1) = (np.moveaxis(x, 2, 0) for x in (rates, np.log2(size)))
    return (x0 + (np.log2(threshold) - y0) / (y1 - y0) * (x1 - x0)).tolist()


def losses(
    width: int,
    seeds: list[int],
    names: list[str],
    log2_rates: list[float],
    readout: str,
    steps: int,
    samples: int,
    rank: int,
    shifted: bool = False,
) -> list[list[list[float | None]]]:
    """The loss (seeds, names, learning rates) relative to that of the base model, after Adam on the
    squared error at one learning rate for both factors. `shifted` moves each seed's learning rates
    by its `grid_shift`.
    """
    log2 = torch.tensor(log2_rates, dtype=torch.float64).expand(len(seeds), len(names), -1)
    if shifted:
        log2 = log2 + torch.tensor([grid_shift(seed, width) for seed in seeds])[:, None, None]
    rates = 2**log2
    return listed(
        _trained(
            width, seeds, names, rates, rates, samples, rank, readout, steps=steps, probe=False
        )["loss"][0]
    )


def grid_shift(seed: int, width: int) -> float:
    """Octaves by which a seed's grid at a width is shifted, uniform over one step around 0."""
    drawn = torch.rand((), generator=networks.stream(seed, width, GRID_KEY), dtype=torch.float64)
    return GRID_STEP * (drawn.item() - 0.5)


def first_step(
    width: int,
    seeds: list[int],
    ranks: list[int],
    power: float,
    samples: int,
    network: str = "mup",
) -> list[list[float]]:
    """Of SGD from Init[A] with s = r^power, log2 of the learning rate at which the first step
    makes Z_B 1, (seeds, ranks): only B moves, so that Z_B is proportional to the learning rate.
    """
    one = torch.ones(len(seeds), 1, 1, dtype=torch.float64)
    sizes = [
        _trained(
            width,
            seeds,
            ["init_a"],
            one,
            one,
            samples,
            rank,
            network,
            steps=1,
            optimizer="sgd",
            scale=rank**power,
        )["Z_B"]
        for rank in ranks
    ]
    return (-torch.cat(sizes).squeeze((2, 3)).log2().mT).tolist()


def _trained(
    width: int,
    seeds: Sequence[int],
    names: Sequence[str],
    lr_A: Tensor,
    lr_B: Tensor,
    samples: int,
    rank: int,
    readout: str = "mup",
    **options: Any,
) -> dict[str, Tensor]:
    """Quantities (records, seeds, names, rates) at learning rates (seeds, names, rates)."""
    network = networks.draw(width, seeds, readout, samples)
    factors = initial_factors(names, network, width, seeds, rank, options.get("scale", 1.0))
    which = torch.arange(len(names)).repeat_interleave(lr_A.shape[2])
    found = train(network, factors, Runs(which, lr_A.flatten(1), lr_B.flatten(1)), **options)
    return {name: values.unflatten(2, (len(names), -1)) for name, values in found.items()}


def listed(values: Tensor | Array) -> Any:
    """Nested lists for the run store, None for what is not finite."""
    found = np.asarray(values, object)
    found[~np.isfinite(np.asarray(values, float))] = None
    return found.tolist()


def numbers(values: Any) -> Array:
    """The array again, with NaN for None."""
    return np.array(values, float)
