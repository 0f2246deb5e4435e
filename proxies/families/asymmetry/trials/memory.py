"""What is saved for backward of a token, counted by torch's own saved-tensor hooks on lora layers;
float32."""

from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

import lora

TRAINED = {"BA": {}, "B": {"train_a": False}, "A": {"train_b": False, "scheme": "init_b"}}
BYTES = 4
HEADS = 4


class Block(nn.Module):
    """A transformer block of the Llama kind: norm, attention, norm, gated feed-forward."""

    def __init__(self, d: int, d_ff: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.RMSNorm(d) for _ in range(2))
        self.q, self.k, self.v, self.o = (nn.Linear(d, d, bias=False) for _ in range(4))
        self.gate, self.up = (nn.Linear(d, d_ff, bias=False) for _ in range(2))
        self.down = nn.Linear(d_ff, d, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norms[0](x)
        q, k, v = (
            layer(h).unflatten(-1, (HEADS, -1)).transpose(-2, -3)
            for layer in (self.q, self.k, self.v)
        )
        x = x + self.o(
            F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(-2, -3).flatten(-2)
        )
        h = self.norms[1](x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


def saved_bytes(model: nn.Module, x: Tensor) -> int:
    """Bytes of the distinct tensors, parameters aside, that backward of model(x) would need."""
    parameters = {p.untyped_storage().data_ptr() for p in (*model.parameters(), *model.buffers())}
    kept: dict[int, Tensor] = {}  # held, so that no address is given out twice

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(x)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def _attached(model: nn.Module, trained: str, rank: int, dropout: float = 0.0) -> nn.Module:
    settings: Any = TRAINED[trained]
    linear = tuple(name for name, module in model.named_modules() if isinstance(module, nn.Linear))
    lora.attach(model, lora.Config(rank=rank, dropout=dropout, target_modules=linear, **settings))
    return model


def one_layer(d: int, rank: int, tokens: int) -> dict[str, Any]:
    """Bytes a token of a d x d layer by what is trained, without and with dropout; x needs a
    gradient itself."""
    x = torch.randn(tokens, d, generator=Generator().manual_seed(1000)).requires_grad_()
    result = {}
    for trained in TRAINED:
        for dropout in (0.0, 0.05):
            # a layer draws its weight, and dropout its mask, from the global generator
            with torch.random.fork_rng(devices=[]):
                model = _attached(
                    nn.Sequential(nn.Linear(d, d, bias=False)), trained, rank, dropout
                )
                result[f"{trained} {dropout:g}"] = saved_bytes(model, x) / tokens
    return result


def block(d: int, d_ff: int, rank: int, tokens: int) -> dict[str, float]:
    """Bytes a token of a whole block with adapters on its seven layers, by what is trained."""
    x = torch.randn(1, tokens, d, generator=Generator().manual_seed(1000)).requires_grad_()
    result = {}
    for trained in TRAINED:
        with torch.random.fork_rng(devices=[]):
            result[trained] = saved_bytes(_attached(Block(d, d_ff), trained, rank), x) / tokens
    return result
