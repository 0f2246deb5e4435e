"""Small models that the tests adapt, and the laws that need to see one whole."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from lora import Statistics

TOKENS = torch.randint(0, 64, (2, 10), generator=torch.Generator().manual_seed(5))


class Small(nn.Module):
    """Two linear layers, a head, and things that cannot be adapted."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 12)
        self.norm = nn.LayerNorm(12)
        self.up = nn.Linear(12, 16)
        self.down = nn.Linear(16, 12, bias=False)
        self.head = nn.Linear(12, 3)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.down(self.up(self.norm(self.embed(ids))).relu()).mean(1))


def small(dtype: torch.dtype = torch.float32, seed: int = 0) -> Small:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Small().to(dtype).eval()


IDS = torch.arange(20).view(4, 5)


def llama() -> LlamaForCausalLM:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=64,
                hidden_size=32,
                intermediate_size=48,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
            )
        ).eval()


def gpt2() -> GPT2LMHeadModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return GPT2LMHeadModel(
            GPT2Config(
                vocab_size=64,
                n_embd=32,
                n_layer=2,
                n_head=4,
                n_positions=32,
                bos_token_id=None,
                eos_token_id=None,
            )
        ).eval()


def stats_for(W: Tensor, seed: int = 0) -> Statistics:
    """Statistics that a layer of this weight could have: of random inputs x and output gradients
    g."""
    rng = torch.Generator().manual_seed(seed)
    out, in_ = W.shape
    x, g = (
        torch.randn(4 * max(W.shape), n, generator=rng, dtype=torch.float64) for n in (in_, out)
    )
    x, g, n = x * torch.linspace(1, 3, in_) + 0.5, g, len(x)
    weighted = (g.square().sum(1, keepdim=True) * x).mT @ x / n
    return Statistics(n, x.mean(0), x.mT @ x / n, g.mT @ x / n, weighted)


def data_for(model: nn.Module) -> dict[str, Any]:
    """Batches and a loss by which `attach` can learn what a data-driven scheme needs."""

    def loss_fn(model: nn.Module, ids: Tensor) -> Tensor:
        output = model(ids)
        return (output if isinstance(output, Tensor) else output.logits).square().mean()

    return {"batches": [IDS if isinstance(model, Small) else TOKENS], "loss_fn": loss_fn}


def photograph(model: nn.Module) -> tuple:
    """Everything about a model that an operation may have changed: structure, identity, bits,
    flags, modes."""
    modules = [
        (
            name,
            id(module),
            module.training,
            len(module._forward_hooks),
            len(module._forward_pre_hooks),
        )
        for name, module in model.named_modules()
    ]
    values = {name: (id(p), p.requires_grad, p.dtype) for name, p in model.named_parameters()}
    bits = {
        name: value.clone().view(torch.uint8).tolist() for name, value in model.state_dict().items()
    }
    return modules, values, bits, sorted(vars(model))


def shake(model: nn.Module, size: float = 0.1, seed: int = 1) -> nn.Module:
    """Move every trained parameter, as training would."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(
                    size * torch.randn(parameter.shape, generator=rng).to(parameter.dtype)
                )
    return model


def twin(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model)
