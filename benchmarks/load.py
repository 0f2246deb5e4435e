"""Loading a saved adapter of 28 layers: ours beside stock PEFT and the bare file, in one process.

    python benchmarks/load.py [--rounds 15]

The adapter is that of a random Llama (hidden 512, 4 layers, MLP 1408) at rank 16, 2.5 MB, saved by
`lora.save`; all three read that one folder. Ours checks every tensor's checksum, that all are
finite, and names and shapes, before the model is touched; PEFT checks none of it; the bare file is
`safetensors.torch.load_file`, with no model at all. Each round loads by all three in turn, each
time into a fresh model. Counted is processor time, of which other load on the machine takes little,
and the ratio is that of the fastest. The bars are those of 10 ms on a machine where PEFT takes 49
ms and the bare file 1.8 ms. Exits 1 when a ratio misses its bar.
"""

import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import torch
import tyro
from random_llama import random_llama
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file
from torch import nn

import lora

RANK = 16
BARS = {"PEFT": 10 / 49, "bare file": 10 / 1.8}


@dataclass(frozen=True)
class Config:
    rounds: int = 15
    """loads of each, interleaved"""


def adapted() -> nn.Module:
    model = random_llama()
    lora.attach(model, lora.Config(rank=RANK))
    with torch.no_grad():
        for layer in lora.adapters(model).values():
            layer.B.normal_(std=0.02)
    return model


def seconds(action: Callable[[], object]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def main(config: Config) -> int:
    torch.set_num_threads(1)
    # PEFT's own
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
    trained, times = adapted(), {"ours": [], "PEFT": [], "bare file": [], "save": []}
    with tempfile.TemporaryDirectory() as folder:
        lora.save(trained, folder)
        weights = Path(folder, "adapter_model.safetensors")
        actions: dict[str, Callable[[Any], object]] = {
            "ours": lambda model: lora.load(model, folder),
            "PEFT": lambda model: peft.PeftModel.from_pretrained(model, folder),
            "bare file": lambda _: load_file(weights),
            "save": lambda _: lora.save(trained, folder),
        }
        for turn in range(config.rounds + 1):
            for name, action in actions.items():
                model = random_llama()
                took = seconds(lambda action=action, model=model: action(model))
                if turn:  # the first warms up
                    times[name].append(took)
        size = weights.stat().st_size
    fastest = {name: min(values) for name, values in times.items()}
    ratio = {name: fastest["ours"] / fastest[name] for name in BARS}
    table = Table("ratio", "of the fastest", "bar")
    for name, bar in BARS.items():
        table.add_row(f"load, ours / {name}", f"{ratio[name]:.3f}", f"<= {bar:.3f}")
    Console().print(table)
    pairs = [
        f"{name} {1e3 * fastest[name]:.2f} ({1e3 * statistics.median(times[name]):.2f})"
        for name in times
    ]
    print(f"{size / 1e6:.1f} MB; ms, the fastest (median): {', '.join(pairs)}")
    return 0 if all(ratio[name] <= bar for name, bar in BARS.items()) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Config)))
