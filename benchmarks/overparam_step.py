"""One training step with generated factors (OP-LoRA), beside plain LoRA, of a small random Llama in
one process.

    python benchmarks/overparam_step.py [--pairs 9] [--tokens 2048]

The generator of a layer with p = r (in + out) numbers costs 2 p m operations forward and 4 p m
backward a step, whatever the batch, where LoRA itself costs 6 p T for T tokens: m / T of it, for m
= 32 hidden units. What counts is memory: W2 and its gradient, p m numbers each, and Adam's two
moments of them. The share of a step is measured by running, in each pair, the generators alone
(evaluation, as after an optimiser step, and the backward of given gradients of B and A); to it is
added what Adam takes longer than for plain LoRA. Counted is processor time, of which other load on
the machine takes little, and shares are those of the fastest. The gradient of W2 is stored in full
though it is g h^T, of rank one: an optimiser of torch reads `.grad`. Exits 1 when the share misses
its bar.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import tyro
from random_llama import VOCABULARY, random_llama
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

import lora
from lora.variants.overparam import Overparam

RANK, WIDTH, BAR = 16, 32, 0.10


@dataclass(frozen=True)
class Config:
    pairs: int = 9
    """timed steps of each, interleaved"""
    tokens: int = 2048
    """tokens a step"""


def adapted(variant: str, **options: Any) -> nn.Module:
    model = random_llama()
    lora.attach(model, lora.Config(rank=RANK, variant=variant, variant_options=options))
    return model


def trained(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def generate(model: nn.Module, given: dict[str, list[Tensor]]) -> None:
    """What the generators do in a step: evaluate anew, and take the gradients of B and A back to
    their parameters."""
    for name, layer in lora.adapters(model).items():
        assert isinstance(layer, Overparam)
        torch.autograd.backward(list(layer.generator().values()), given[name])


def seconds(action: Callable[[], object]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def main(config: Config) -> int:
    torch.set_num_threads(1)
    ids = torch.randint(
        0, VOCABULARY, (8, config.tokens // 8), generator=torch.Generator().manual_seed(0)
    )
    models = {"plain": adapted("plain"), "overparam": adapted("overparam", width=WIDTH)}
    optimizers = {name: torch.optim.Adam(trained(model), lr=1e-4) for name, model in models.items()}
    given = {
        name: [torch.ones_like(F) for F in layer.factors()]
        for name, layer in lora.adapters(models["overparam"]).items()
    }
    parts = [f"{name}, {part}" for name in models for part in ("forward and backward", "Adam")]
    times: dict[str, list[float]] = {part: [] for part in [*parts, "generators alone"]}
    for pair in range(config.pairs + 1):
        took = {}
        for name, model in models.items():
            loss = lambda model=model: model(input_ids=ids, labels=ids).loss.backward()
            took[f"{name}, forward and backward"] = seconds(loss)
            took[f"{name}, Adam"] = seconds(optimizers[name].step)
            optimizers[name].zero_grad()
        took["generators alone"] = seconds(lambda: generate(models["overparam"], given))
        optimizers["overparam"].zero_grad()
        for part, value in took.items():
            if pair:  # the first warms up and makes Adam's moments
                times[part].append(value)
    table = Table("part", "ms, the fastest", "median")
    for part, values in times.items():
        table.add_row(part, f"{1e3 * min(values):.1f}", f"{1e3 * statistics.median(values):.1f}")
    Console().print(table)
    step = {
        name: sum(min(times[part]) for part in parts if part.startswith(name)) for name in models
    }
    generators = min(times["generators alone"])
    share = (generators + min(times["overparam, Adam"]) - min(times["plain, Adam"])) / step[
        "overparam"
    ]
    print(
        f"step, overparam / plain: {step['overparam'] / step['plain']:.3f} at {config.tokens} "
        "tokens"
    )
    print(
        f"generators: {generators / step['overparam']:.1%} of a step; with their Adam "
        f"{share:.1%}, bar {BAR:.0%}"
    )
    for name, model in models.items():
        size = sum(p.numel() * p.element_size() for p in trained(model))
        print(
            f"{name}: {4 * size / 2**20:.1f} MiB: trained parameters, gradients, and Adam's two "
            "moments"
        )
    return 0 if share <= BAR else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Config)))
