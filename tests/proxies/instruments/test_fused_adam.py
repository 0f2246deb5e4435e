"""The fused step without torch.optim's bookkeeping against torch.optim's own."""

import pytest
import torch
from torch import Generator

from proxies.instruments.fused_adam import FusedAdam


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_the_step_of_torch_optim(dtype):
    """The same kernel, so that not a bit differs."""
    rng = Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, generator=rng, dtype=dtype)
    moved = [torch.zeros(3, 5, dtype=dtype), torch.zeros(7, dtype=dtype)]
    peers = [torch.zeros_like(U) for U in moved]
    ours = FusedAdam(moved, (0.9, 0.99), 1e-30)
    theirs = torch.optim.Adam(peers, lr=1.0, betas=(0.9, 0.99), eps=1e-30, fused=True)
    for step in range(6):
        gradients = [draw(*U.shape) * 10.0 ** (2 * step - 6) for U in moved]
        for peer, gradient in zip(peers, gradients, strict=True):
            peer.grad = gradient.clone()
        theirs.step()
        ours.step(gradients)
    state = [theirs.state[peer] for peer in peers]
    wanted = [*peers, *(s["exp_avg"] for s in state), *(s["exp_avg_sq"] for s in state)]
    for found, same in zip(ours.kept, wanted, strict=True):
        assert torch.equal(found, same)
