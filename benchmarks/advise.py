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
RUNS = {
    "MiniLM": {"task": "text_classification"},
    "GPT": {"task": "causal_lm", "model": "gpt"},
}


def training(settings: Mapping[str, str]) -> float:
    """Seconds of all its steps."""
    few, many = (_seconds_of(settings, steps) for steps in (FEW, MANY))
    return FineTuneConfig.of(**settings).training.steps * (many - few) / (MANY - FEW)


def _seconds_of(settings: Mapping[str, str], steps: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        flags = [part for name, value in settings.items() for part in (f"--{name}", value)]
        flags += ["--steps", str(steps), "--limit", "8"]
        out = ["--out", str(Path(folder) / "run")]
        return processor_seconds([sys.executable, "-m", "scaling.finetune", *flags, *out])


def timed(
    settings: Mapping[str, str], setting: Setting, wanted: tuple[str, ...]
) -> Mapping[str, Quantity]:
    if setting.toy:
        raise NotMeasured("a training run has no toy size")
    job = prepare(FineTuneConfig.of(**settings))
    advice = Action(lambda _: advised(job, OPTIONS.batches))
    seconds(advice, "cpu")  # warms up
    pairs = [(seconds(advice, "cpu"), training(settings)) for _ in range(min(setting.pairs, 6))]
    return {"advice": [a for a, _ in pairs], "training": [b for _, b in pairs]}


ROWS = tuple(
    Row(f"advise, {model}", "advice", "training", partial(timed, settings), 0.1)
    for model, settings in RUNS.items()
)
