"""What a training says as it goes, and how long its steps take."""

import time
from statistics import median
from typing import Any

import torch
from transformers import ProgressCallback, TrainerCallback

from loralab.progress import Lines, console
from scaling.core.stages import Stages


def shown(stages: Stages) -> list[TrainerCallback]:
    """What tells how far the training is: a bar on a terminal, plain lines elsewhere."""
    return [Steps(stages), Bar() if console.is_terminal else Written()]


class Steps(TrainerCallback):
    """`stages` are told which step it is, and when the first has ended, since this was made."""

    def __init__(self, stages: Stages) -> None:
        self.stages, self.began, self.first = stages, time.perf_counter(), True

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.stages.now = f"step {state.global_step + 1}"

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.first:
            self.stages.say("first step", self.began)
            self.first = False


class Bar(ProgressCallback):
    """The progress bar, without a line for each step."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        pass


class Written(TrainerCallback):
    """Plain lines: of the steps from where the training goes on."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.before = state.global_step
        what = f"steps after {self.before}" if self.before else "steps"
        self.lines = Lines(what, state.max_steps - self.before)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            self.lines.at(state.global_step - self.before)


class Clock(TrainerCallback):
    """How long the steps take, all micro-batches and the optimizer together, without validation and
    checkpoints."""

    def __init__(self) -> None:
        self.began, self.seconds = 0.0, list[float]()

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.began = _now()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.seconds.append(_now() - self.began)

    def median(self) -> float | None:
        """Of a step; None where none was left to do."""
        return median(self.seconds) if self.seconds else None


def _now() -> float:
    """When all that was asked of the device is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
