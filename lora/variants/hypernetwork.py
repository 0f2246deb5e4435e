"""A generator network: two layers that make a layer's factors, evaluated once for each value of
their parameters.

    h = relu(W1 z + b1),    theta_k = W2_k h + b2_k    for each head k

z (width k), W1, b1 and every head (W2_k, b2_k) are trained. The values are cached while torch's
version counters show that no parameter has changed, so all forward passes of one optimiser step
share one evaluation. A write through `.data` is not counted, and needs `forget`. Backward is the
exact gradient. That of each head is of rank one,

    dW2_k = g_k h^T,  db2_k = g_k,  dh = sum_k W2_k^T g_k,  dp = dh where h > 0,
    dW1 = dp z^T,  db1 = dp,  dz = W1^T dp,

and runs once in each backward pass; between `begin` and `end` it runs once for all of them.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class _Generate(torch.autograd.Function):
    """The values, already computed, with the network's backward."""

    @staticmethod
    def forward(
        ctx: Any, values: list[Tensor], z: Tensor, W1: Tensor, b1: Tensor, *heads: Tensor
    ) -> Any:
        ctx.set_materialize_grads(False)  # a value that was not used costs nothing
        ctx.save_for_backward(z, W1, b1, *heads[::2])
        return tuple(value.detach() for value in values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        z, W1, b1, *W2 = ctx.saved_tensors
        h = torch.addmv(b1, W1, z).relu()
        g = [None if grad is None else grad.reshape(-1) for grad in grads]
        dh = sum(
            (W.mT @ gk for W, gk in zip(W2, g, strict=True) if gk is not None), torch.zeros_like(h)
        )
        dp = torch.where(h > 0, dh, 0)
        heads = [part for gk in g for part in ((None, None) if gk is None else (gk.outer(h), gk))]
        return None, W1.mT @ dp, dp.outer(z), dp, *heads


class Head(nn.Module):
    """theta = W2 h + b2, reshaped: `weight` is W2 (numel, width), `bias` is b2 (numel,)."""

    def __init__(self, bias: Tensor, weight: Tensor) -> None:
        super().__init__()
        self.shape = bias.shape
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(bias.reshape(-1).clone())


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
        self.forget()

    def head(self, name: str) -> Head:
        head = self.heads[name]
        assert isinstance(head, Head)
        return head

    def forget(self) -> None:
        """Drop the cached values, so that the next forward evaluates."""
        self._known: tuple[list[Any], dict[str, Tensor]] | None = None
        self._leaves: dict[str, Tensor] | None = None

    def __getstate__(self) -> dict[str, Any]:
        # A copy has parameters of its own, whose counters begin anew: it must not inherit the
        # cache.
        return {**self.__dict__, "_known": None, "_leaves": None}

    @torch.no_grad()
    def hidden(self) -> Tensor:
        """h, (width,)."""
        return torch.addmv(self.b1, self.W1, self.z).relu()

    @torch.no_grad()
    def values(self) -> dict[str, Tensor]:
        """theta by head as constants, evaluated only when a parameter has changed."""
        parameters = list(self.parameters())
        if any(p.is_inference() for p in parameters):  # these have no counters
            return self._evaluate()
        # The parameters themselves are part of the key, and so kept alive: an address alone can
        # come back.
        key = [(id(p), p._version, p.data_ptr(), p) for p in parameters]
        if self._known is None or [k[:3] for k in self._known[0]] != [k[:3] for k in key]:
            # the cached values must serve training too
            with torch.inference_mode(False), torch.no_grad():
                self._known = key, self._evaluate()
        return self._known[1]

    def _evaluate(self) -> dict[str, Tensor]:
        with torch.autocast(self.z.device.type, enabled=False):
            h, heads = self.hidden(), {name: self.head(name) for name in self.heads}
            return {
                name: torch.addmv(head.bias, head.weight, h).view(head.shape)
                for name, head in heads.items()
            }

    def forward(self) -> dict[str, Tensor]:
        """theta by head, differentiable."""
        if self._leaves is not None and torch.is_grad_enabled():
            return self._leaves
        values = self.values()
        return self._with_backward(values) if torch.is_grad_enabled() else values

    def _with_backward(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        parts = [part for name in values for part in (self.head(name).weight, self.head(name).bias)]
        outputs = _Generate.apply(list(values.values()), self.z, self.W1, self.b1, *parts)
        return dict(zip(values, outputs, strict=True))

    def begin(self) -> None:
        """From here on, backward passes stop at the values and add up there."""
        self._leaves = {
            name: value.detach().requires_grad_() for name, value in self.values().items()
        }

    def end(self) -> None:
        """One backward through the network with all that was added up; ValueError if the
        parameters changed."""
        leaves, known = self._leaves, self._known
        self._leaves = None
        if leaves is None:
            return
        values = self.values()
        if self._known is not known:
            raise ValueError(
                "the generator network was changed while its gradients were gathered: step after, "
                "not within"
            )
        reached = {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}
        if reached:
            outputs = self._with_backward(values)
            torch.autograd.backward([outputs[name] for name in reached], list(reached.values()))

    def trunk(self) -> Iterator[nn.Parameter]:
        yield from (self.z, self.W1, self.b1)
