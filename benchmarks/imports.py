"""`import lora` beside `import torch`, each in a fresh interpreter.

    python benchmarks/imports.py [--pairs 10]

Counted is the processor time of the whole process, of which other load on the machine takes little;
runs are interleaved, and the ratio is that of the fastest. Exits 1 when it misses its bar.
"""

import os
import statistics
import subprocess
import sys
from dataclasses import dataclass

import tyro
from rich.console import Console
from rich.table import Table

BAR = 1.3


@dataclass(frozen=True)
class Config:
    pairs: int = 10
    """imports of each, interleaved"""


def seconds(module: str) -> float:
    before = os.times()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    after = os.times()
    return (
        after.children_user + after.children_system - before.children_user - before.children_system
    )


def main(config: Config) -> int:
    times: dict[str, list[float]] = {"lora": [], "torch": []}
    for pair in range(config.pairs + 1):
        for module, values in times.items():
            took = seconds(module)
            if pair:  # the first warms the disk cache up, and compiles
                values.append(took)
    ratio = min(times["lora"]) / min(times["torch"])
    table = Table("ratio", "of the fastest", "bar")
    table.add_row("import lora / import torch", f"{ratio:.3f}", f"<= {BAR}")
    Console().print(table)
    pairs = [
        f"{name} {min(values):.2f} ({statistics.median(values):.2f})"
        for name, values in times.items()
    ]
    print(f"s, the fastest (median): {', '.join(pairs)}")
    return 0 if ratio <= BAR else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Config)))
