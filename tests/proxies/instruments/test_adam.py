"""The batched Adam against torch.optim's, run by run, at a learning rate of each run's own."""

import pytest
import torch
from torch import Generator

from proxies.instruments.adam import Adam

SHAPES = [((5, 7), (5, 1)), ((3, 4, 2, 6), (3, 1, 1, 1)), ((2, 3, 4, 5), (1, 3, 1, 1))]
EPS = torch.finfo(torch.float64).eps


@pytest.mark.parametrize(("shape", "rates"), SHAPES)
def test_every_entry_moves_as_torch_moves_it(shape, rates):
    rng = Generator().manual_seed(0)
    draw = lambda size: torch.randn(size, generator=rng, dtype=torch.float64)
    theta, rate = draw(shape), draw(rates).abs() / 10
    single = [p.clone().requires_grad_() for p in theta.flatten()]
    each = rate.expand(shape).flatten().tolist()
    theirs = torch.optim.Adam([{"params": [p], "lr": r} for p, r in zip(single, each, strict=True)])
    ours = Adam(theta)
    for step in range(6):
        gradient = draw(shape) * 10.0 ** (2 * step - 6)
        for p, g in zip(single, gradient.flatten(), strict=True):
            p.grad = g.clone()
        theirs.step()
        ours.step(theta, gradient, rate)
    # a step is at most about the rate in size, and differs by some roundings of it
    worst = (theta.flatten() - torch.stack(single).detach()).abs().max()
    assert worst <= 6 * 16 * EPS * float(rate.max())
