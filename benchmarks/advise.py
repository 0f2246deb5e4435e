"""The time of `loralab advise` beside that of the training that it predicts, on the default models,
which need no network.

    python benchmarks/advise.py [--pairs 3]

The floor is a forward and backward pass over 64 examples, two steps of the default run. Both
commands load the model and read the data first, which is not counted: for the small GPT it takes
longer than all of the advice. Processor time is counted, which other load on the machine changes
little; that of training is a run of many steps minus one of few, scaled to all steps of the default
run. Exits 1 when a ratio misses its bar.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from scaling.advice.advice import advised
from scaling.advise import OPTIONS
from scaling.core.config import Config as FineTuneConfig
from scaling.training.preparation import prepare

BAR = 0.1
FEW, MANY = 2, 14  # steps
TASKS = {"MiniLM": "text_classification", "GPT": "causal_lm"}


@dataclass(frozen=True)
class Config:
    pairs: int = 3
    """Advice and training, interleaved."""


def training(run: FineTuneConfig) -> float:
    """Seconds of all its steps."""
    few, many = (_seconds_of(run.data.task, steps) for steps in (FEW, MANY))
    return run.training.steps * (many - few) / (MANY - FEW)


def _seconds_of(task: str, steps: int) -> float:
    before = os.times()
    with tempfile.TemporaryDirectory() as folder:
        flags = [
            "--task",
            task,
            "--steps",
            str(steps),
            "--limit",
            "8",
            "--out",
            str(Path(folder) / "run"),
        ]
        subprocess.run(
            [sys.executable, "-m", "scaling.finetune", *flags], check=True, capture_output=True
        )
    after = os.times()
    return (
        after.children_user + after.children_system - before.children_user - before.children_system
    )


def main(config: Config) -> int:
    os.environ["OMP_NUM_THREADS"] = "1"  # of the trainings
    torch.set_num_threads(1)
    threadpool_limits(1)  # numpy's idle threads would count as busy
    table, missed = Table("model", "advice / training", "bar", "advice, s", "training, s"), False
    for model, task in TASKS.items():
        run = FineTuneConfig.of(task=task)
        job = prepare(run)
        advices, trainings = [], []
        for pair in range(config.pairs + 1):
            start = time.process_time()
            advised(job, OPTIONS.batches)
            if pair:  # the first warms up
                advices.append(time.process_time() - start)
                trainings.append(training(run))
        advice, train = statistics.median(advices), statistics.median(trainings)
        missed |= advice > BAR * train
        table.add_row(model, f"{advice / train:.3f}", f"<= {BAR}", f"{advice:.1f}", f"{train:.0f}")
    Console().print(table)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Config)))
