"""What a run has before anything of it is trained, and what an initialization sees of it."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from transformers.trainer_utils import set_seed

from scaling.core import processes
from scaling.core.batches import MOST, dealt, stream
from scaling.core.config import Config
from scaling.core.memory import shrinking
from scaling.core.records import Record
from scaling.core.task import Data, Loaded, Task
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

    @property
    def source(self) -> str:
        """The base model as it was named, or the folder of the default one."""
        return self.config.data.model or str(getattr(self.loaded.model, "name_or_path", ""))

    def seen(self, micro: int) -> int:
        """How many micro-batches of this size an initialization learns from: no more than the run
        trains on, so that no pass over the data takes longer than the training after it."""
        trained = self.config.training.steps * self.batch
        if self.stream is None:  # else nobody knows how many there are
            trained = min(trained, len(self.inputs) // micro * micro)
        return min(max(1, trained // micro), MOST)


def on_batches(job: Job, act: Callable[[Iterator[Any]], Result], most: int | None = None) -> Result:
    """What `act` makes of this process's part of the training stream, of `most` micro-batches or as
    many as an initialization learns from: with fewer examples at once where memory is short."""
    here, collate, seed = processes.join(), job.task.collate(job.loaded), job.config.seed

    def at(size: int) -> Result:
        set_seed(seed)  # of what the loss draws
        count = job.seen(size) if most is None else most
        part = (here.process_index, here.num_processes, count)
        if job.stream is not None:
            return act(dealt(job.loaded, job.stream.alone().epoch(), size, collate, *part))
        return act(stream(job.loaded, job.inputs, size, collate, seed, *part))

    return shrinking(at, job.micro)
