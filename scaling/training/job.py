"""What a run has before anything of it is trained, and what an initialization sees of it."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from transformers.trainer_utils import set_seed

from scaling.core import processes
from scaling.core.batches import dealt, stream
from scaling.core.config import Config
from scaling.core.memory import shrinking
from scaling.core.task import Data, Loaded, Record, Task
from scaling.data.streaming import Stream

Result = TypeVar("Result")


class Job(NamedTuple):
    """A model on its device, with what it is trained and validated on: `batch` examples a step,
    `micro` of them at once on a device. Where data are streamed, `stream` is what it is trained on,
    and `inputs` are a few of the same examples."""

    config: Config
    task: Task
    loaded: Loaded
    data: Data
    inputs: list[Record]
    valid: list[Record]
    batch: int
    micro: int
    stream: Stream | None = None


def on_batches(job: Job, act: Callable[[Iterator[Any]], Result]) -> Result:
    """What `act` makes of this process's part of the training stream: with fewer examples at once
    where memory is short."""
    here, collate, seed = processes.join(), job.task.collate(job.loaded), job.config.seed

    def at(size: int) -> Result:
        set_seed(seed)  # of what the loss draws
        part = (here.process_index, here.num_processes)
        if job.stream is not None:
            return act(dealt(job.loaded, job.stream.alone().epoch(), size, collate, *part))
        return act(stream(job.loaded, job.inputs, size, collate, seed, *part))

    return shrinking(at, job.micro)
