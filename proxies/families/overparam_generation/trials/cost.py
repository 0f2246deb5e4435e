"""What generator networks cost: their trained numbers, counted on attached layers, and their share
of a training step."""

import time
from typing import Any

import torch
from torch import Generator, Tensor, nn

import lora
from lora.variants.overparam import GeneratedLinear

WIDTH = 32  # m and k of the generator networks
LLAMA = ((4096, 4096), (4096, 4096), (4096, 4096), (11008, 4096), (4096, 11008))
"""(out, in) of q, k, v, up and down of one of LLaMA-7B's 32 blocks"""


def _attached(net: nn.Module, variant: str, rank: int) -> nn.Module:
    names = tuple(name for name, module in net.named_modules() if isinstance(module, nn.Linear))
    options = {} if variant in ("plain", "dora") else {"width": WIDTH}
    lora.attach(
        net, lora.Config(rank, target_modules=names, variant=variant, variant_options=options)
    )
    return net


def counts(shapes: list[list[int]], rank: int, variant: str) -> dict[str, int]:
    """Trained numbers of a variant, each shape attached once.

    Args:
        shapes: (out, in) of the linear layers.
        rank: of the adapters.
        variant: its name in `lora.VARIANTS`.
    """
    found = {}
    for out, in_ in {(out, in_) for out, in_ in shapes}:
        layer = nn.Linear(1, 1, bias=False)
        # One number seen as a whole matrix: the count needs no more of a base weight than its
        # shape.
        layer.weight = nn.Parameter(torch.ones(1, 1).expand(out, in_))
        layer.in_features, layer.out_features = in_, out
        net = _attached(nn.Sequential(layer), variant, rank)
        found[out, in_] = sum(p.numel() for p in net.parameters() if p.requires_grad)
    return {"trained": sum(found[out, in_] for out, in_ in shapes)}


def shares(
    width: int, depth: int, tokens: int, rank: int, repeats: int, seed: int
) -> dict[str, Any]:
    """The share of generator networks in the processor time of a training step, with Adam's longer
    walk over them.

    A step is forward, backward and Adam; beside it the generator networks are evaluated and
    differentiated alone, and plain LoRA takes Adam's step. One share a repeat, in which all of
    these are timed one after the other.

    Args:
        width: of the linear layers, which have ReLU between them.
        depth: how many they are.
        tokens: rows of the input.
        rank: of the adapters.
        repeats: how many shares.
        seed: of the input.
    """
    nets, optimizers = {}, {}
    for variant in ("plain", "overparam"):
        layers = [nn.Linear(width, width) for _ in range(depth)]
        nets[variant] = _attached(
            nn.Sequential(*[part for one in layers for part in (one, nn.ReLU())]), variant, rank
        )
        optimizers[variant] = torch.optim.Adam(
            [p for p in nets[variant].parameters() if p.requires_grad], 1e-4
        )
    x = torch.randn(tokens, width, generator=Generator().manual_seed(seed))
    generated = [
        layer
        for layer in lora.adapters(nets["overparam"]).values()
        if isinstance(layer, GeneratedLinear)
    ]
    given = [[torch.ones_like(factor) for factor in layer.factors()] for layer in generated]
    found = []
    for repeat in range(repeats + 1):
        took = {}
        for variant, net in nets.items():
            took[variant] = _seconds(lambda net=net: net(x).square().mean().backward())
            took[f"{variant}, Adam"] = _seconds(optimizers[variant].step)
            optimizers[variant].zero_grad()
        took["generators"] = _seconds(lambda: _generate(generated, given))
        optimizers["overparam"].zero_grad()
        if repeat:  # the first warms up and makes Adam's moments
            longer = took["generators"] + took["overparam, Adam"] - took["plain, Adam"]
            found.append(longer / (took["overparam"] + took["overparam, Adam"]))
    return {"shares": found}


def _generate(layers: list[GeneratedLinear], given: list[list[Tensor]]) -> None:
    for layer, gradients in zip(layers, given, strict=True):
        torch.autograd.backward(list(layer.generator().values()), gradients)


def _seconds(action: Any) -> float:
    begin = time.process_time()
    action()
    return time.process_time() - begin
