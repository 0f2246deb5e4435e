"""Problems on which the laws of theory.gradient_signal are tested."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor, nn


class Population(NamedTuple):
    """x (n, d), g (n, k), float64, and the rank asked for."""

    x: Tensor
    g: Tensor
    rank: int


def linear_loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """A mean over tokens whose gradient at token i's output is g_i / n."""
    x, g = batch
    return (model(x) * g).sum() / len(x)


def layer(p: Population) -> nn.Module:
    model = nn.Sequential(nn.Linear(p.x.shape[1], p.g.shape[1], bias=False)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(
                torch.randn(
                    parameter.shape, generator=Generator().manual_seed(0), dtype=torch.float64
                )
            )
    return model


def example(seed: int = 1000) -> Population:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((40, 8)) * np.arange(1, 9) ** -0.7 + rng.standard_normal(8) / 2
    g = (x @ rng.standard_normal((8, 5)) + rng.standard_normal((40, 5))) * np.abs(x[:, :1])
    return Population(torch.from_numpy(x), torch.from_numpy(g), 3)
