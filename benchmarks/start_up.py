"""`import lora` beside `import torch`, each in a new interpreter: the processor time of the whole
process."""

import os
import subprocess
import sys
from collections.abc import Mapping

from benchmarks.harness.rows import Quantity, Row, Setting

IMPORTS = {"import lora": "import lora", "import torch": "import torch"}


def processor_seconds(command: list[str]) -> float:
    """Of a process and its own children."""
    before = os.times()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1:]}")
    after = os.times()
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system


def timed(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    times: dict[str, list[float]] = {name: [] for name in wanted}
    for turn in range(setting.pairs + 1):
        for name in wanted:
            took = processor_seconds([sys.executable, "-c", IMPORTS[name]])
            if turn:  # the first warms the disk cache up, and compiles
                times[name].append(took)
    return times


ROWS = (Row("start-up", "import lora", "import torch", timed, 1.1),)
