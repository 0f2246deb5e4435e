"""The loop that one would write first: one run, autograd, torch.optim, and the frozen weight in
every forward pass."""

import torch
from torch import Tensor

import lora
from proxies.families.lr_stability.trials.engine import BETAS, TINY
from proxies.families.lr_stability.trials.networks import Network


def loop(network: Network, W: Tensor, initial: lora.Factors, lr: float, steps: int) -> float:
    """The final loss over that of no change, of Adam on the first seed's network, whose P must be
    W H."""
    H, _, w, y = (x[0] for x in network)
    B, A = (x.clone().requires_grad_() for x in initial)
    rule = torch.optim.Adam([B, A], lr=lr, betas=BETAS, eps=TINY)
    at_first, fixed = w @ torch.relu(W @ H), initial.B @ (initial.A @ H)
    loss = lambda: (w @ torch.relu(W @ H + B @ (A @ H) - fixed) - at_first - y).square().mean()
    for _ in range(steps):
        rule.zero_grad()
        loss().backward()
        rule.step()
    return (loss() / y.square().mean()).item()
