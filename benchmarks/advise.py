"""The time of `loralab advise` beside that of the training that it predicts, on the default models,
which need no network.

The floor is a forward and backward pass over 64 examples, two steps of the default run. Both
commands load the model and read the data first, which is not counted: for the small GPT it takes
longer than all of the advice. The time of training is a run of many steps minus one of few, scaled
to all steps of the default run.
"""

import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.harness.clocks import Action, seconds
from benchmarks.harness.rows import NotMeasured, Quantity, Row, Setting
from benchmarks.start_up import processor_seconds
from scaling.advice.advice import advised
from scaling.advise import OPTIONS
from scaling.core.config import Config as FineTuneConfig
from scaling.training.preparation import prepare

FEW, MANY = 2, 14  # steps
TASKS = {"MiniLM": "text_classification", "GPT": "causal_lm"}


def training(run: FineTuneConfig) -> float:
    """Seconds of all its steps."""
    few, many = (_seconds_of(run.data.task, steps) for steps in (FEW, MANY))
    return run.training.steps * (many - few) / (MANY - FEW)


def _seconds_of(task: str, steps: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--task", task, "--steps", str(steps), "--limit", "8"]
        out = ["--out", str(Path(folder) / "run")]
        return processor_seconds([sys.executable, "-m", "scaling.finetune", *flags, *out])


def timed(task: str, setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    if setting.toy:
        raise NotMeasured("a training run has no toy size")
    run = FineTuneConfig.of(task=task)
    job = prepare(run)
    advice = Action(lambda _: advised(job, OPTIONS.batches))
    seconds(advice, "cpu")  # warms up
    pairs = [(seconds(advice, "cpu"), training(run)) for _ in range(min(setting.pairs, 6))]
    return {"advice": [a for a, _ in pairs], "training": [b for _, b in pairs]}


ROWS = tuple(
    Row(f"advise, {model}", "advice", "training", partial(timed, task), 0.1)
    for model, task in TASKS.items()
)
