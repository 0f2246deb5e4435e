"""One training step of a small random Llama: ours beside stock PEFT and the frozen base, in one
process.

    python benchmarks/training_step.py [--pairs 40]

The floor is forward and input gradient of the base with every weight frozen: 4 T m n operations a
layer for T tokens. LoRA adds six skinny products, 6 T r (m + n), which is 1.5 r (1/m + 1/n) of the
floor: 7 % at this size. Times are medians of interleaved steps and only their ratios mean anything.
Bytes kept for backward are counted, not timed: a frozen layer keeps nothing, ours x (T n) and A x
(T r), PEFT a float32 copy of a half-precision x as well. Exits 1 when a ratio misses its bar.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import peft
import torch
import tyro
from random_llama import VOCABULARY, random_llama
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

import lora

RANK, TOKENS = 16, 1024
BARS = {
    "step, ours / PEFT": 0.97,
    "step, ours / frozen base": 1.08,
    "bytes, ours / PEFT, bfloat16 base": 0.66,
}


@dataclass(frozen=True)
class Config:
    pairs: int = 40
    """timed steps of each model, interleaved"""


def frozen(dtype: torch.dtype) -> nn.Module:
    """The floor: nothing trains, and a gradient flows to the input of the first layer."""
    model = random_llama(dtype).requires_grad_(False)
    model.get_input_embeddings().register_forward_hook(lambda _, __, y: y.requires_grad_())
    return model


def ours(dtype: torch.dtype) -> nn.Module:
    model = random_llama(dtype)
    lora.attach(model, lora.Config(rank=RANK))
    return model


def theirs(dtype: torch.dtype) -> nn.Module:
    return peft.get_peft_model(
        random_llama(dtype), peft.LoraConfig(r=RANK, lora_alpha=16, target_modules="all-linear")
    )


def loss(model: nn.Module, ids: torch.Tensor) -> torch.Tensor:
    return model(input_ids=ids, labels=ids).loss


def seconds(step: Callable[[], None]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def bytes_kept(model: nn.Module, ids: torch.Tensor) -> int:
    """Of every storage that autograd keeps, once each, but the parameters'."""
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        held = loss(model, ids)  # keeps the graph, and so every storage, alive while it is counted
    del held
    return sum(kept.values())


def main(config: Config) -> int:
    torch.set_num_threads(1)
    ids = torch.randint(0, VOCABULARY, (4, TOKENS // 4), generator=torch.Generator().manual_seed(0))
    makers = {"ours": ours, "PEFT": theirs, "frozen base": frozen}
    models = {name: make(torch.float32) for name, make in makers.items()}
    times: dict[str, list[float]] = {name: [] for name in models}
    for pair in range(config.pairs + 1):
        for name, model in models.items():
            took = seconds(lambda model=model: loss(model, ids).backward())
            if pair:  # the first warms up
                times[name].append(took)
    half = {name: bytes_kept(make(torch.bfloat16), ids) for name, make in makers.items()}
    median = {name: statistics.median(values) for name, values in times.items()}
    ratios = {
        "step, ours / PEFT": (median["ours"] / median["PEFT"], times["ours"], times["PEFT"]),
        "step, ours / frozen base": (
            median["ours"] / median["frozen base"],
            times["ours"],
            times["frozen base"],
        ),
    }
    table = Table("ratio", "median", "middle half of pairs", "bar")
    for name, (ratio, above, below) in ratios.items():
        low, _, high = statistics.quantiles([a / b for a, b in zip(above, below, strict=True)], n=4)
        table.add_row(name, f"{ratio:.3f}", f"{low:.3f} to {high:.3f}", f"<= {BARS[name]}")
    size = half["ours"] / half["PEFT"]
    table.add_row("bytes, ours / PEFT, bfloat16 base", f"{size:.3f}", "exact", "<= 0.66")
    Console().print(table)
    print(
        "kept for backward, MiB:",
        ", ".join(f"{name} {kept / 2**20:.1f}" for name, kept in half.items()),
    )
    measured = {name: value[0] for name, value in ratios.items()} | {
        "bytes, ours / PEFT, bfloat16 base": size
    }
    return 0 if all(measured[name] <= bar for name, bar in BARS.items()) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Config)))
