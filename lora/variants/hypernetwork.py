"""A generator network: two layers that make a layer's factors.

    h = relu(W1 z + b1),    theta_k = W2_k h + b2_k    for each head k

z (width k), W1, b1 and every head (W2_k, b2_k) are trained. The values are made anew in each call,
from the parameters as they are: nothing is cached, because an optimiser may write them in ways that
nobody can see. A layer calls its network once in each forward. The gradient of a head is of rank
one,

    dW2_k = g_k h^T,  db2_k = g_k,  dh = sum_k W2_k^T g_k,

and takes as long as the evaluation twice. Between `begin` and `end` many backward passes share one.
"""

import math

import torch
from torch import Tensor, nn


class Head(nn.Module):
    """theta = W2 h + b2, reshaped: `weight` is W2 (numel, width), `bias` is b2 (numel,)."""

    def __init__(self, bias: Tensor, weight: Tensor) -> None:
        super().__init__()
        self.shape = bias.shape
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(bias.reshape(-1).clone())

    def forward(self, h: Tensor) -> Tensor:
        return torch.addmv(self.bias, self.weight, h).view(self.shape)


class HyperNetwork(nn.Module):
    def __init__(
        self, values: dict[str, Tensor], width: int, embedding: int, rng: torch.Generator
    ) -> None:
        """Give `values` at first, by heads with W2 = 0 and b2 the value, and draw the rest.

        z is standard normal, W1 and b1 are uniform on +-1/sqrt(embedding) as torch draws a linear
        layer.

        Args:
            values: what each head makes at first, by name.
            width: of the hidden layer.
            embedding: of z.
            rng: the random generator that z, W1 and b1 are drawn from.
        """
        super().__init__()
        like = next(iter(values.values()))
        draw = lambda *shape: (2 * torch.rand(*shape, generator=rng, dtype=like.dtype) - 1).to(
            like.device
        )
        self.z = nn.Parameter(
            torch.randn(embedding, generator=rng, dtype=like.dtype).to(like.device)
        )
        self.W1 = nn.Parameter(draw(width, embedding) / math.sqrt(embedding))
        self.b1 = nn.Parameter(draw(width) / math.sqrt(embedding))
        self.heads = nn.ModuleDict(
            {
                name: Head(value.detach(), value.new_zeros(value.numel(), width))
                for name, value in values.items()
            }
        )
        self.leaves: dict[str, Tensor] | None = None  # between `begin` and `end`

    def head(self, name: str) -> Head:
        head = self.heads[name]
        assert isinstance(head, Head)
        return head

    def hidden(self) -> Tensor:
        """h, (width,)."""
        return torch.addmv(self.b1, self.W1, self.z).relu()

    def forward(self) -> dict[str, Tensor]:
        """theta by head, differentiable, in the parameters' own precision also under autocast."""
        if self.leaves is not None and torch.is_grad_enabled():
            return self.leaves
        with torch.autocast(self.z.device.type, enabled=False):
            h = self.hidden()
            return {name: head(h) for name, head in self.heads.items()}

    def begin(self) -> None:
        """From here on, backward passes stop at the values and add up there."""
        self.leaves = {name: value.detach().requires_grad_() for name, value in self().items()}

    def end(self) -> None:
        """One backward through the network with all that was added up.

        Raises ValueError where the parameters give other values by now.
        """
        leaves, self.leaves = self.leaves, None
        if leaves is None:
            return
        with torch.enable_grad():
            values = self()
        if not all(torch.equal(leaf, values[name]) for name, leaf in leaves.items()):
            raise ValueError(
                "the generator network was changed while its gradients were gathered: step after, "
                "not within"
            )
        reached = {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}
        if reached:
            torch.autograd.backward([values[name] for name in reached], list(reached.values()))
