"""What comes before training: the records, the model, the examples, and what an initialization sees
of them."""

import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from torch import nn
from transformers.trainer_utils import set_seed

import lora
from lora import initialization
from lora.bases import shape_of
from lora.targets import check_vectors, saved_modules, targets
from scaling.core import placement, processes
from scaling.core.batches import stream
from scaling.core.config import Config, check_scheme, training_whole
from scaling.core.memory import shrinking
from scaling.core.stages import Stages
from scaling.core.task import Data, Loaded, Record, Task
from scaling.data.data_files import PART
from scaling.models.packaged import located
from scaling.models.precision import base_dtype, hold, settled
from scaling.tasks import find

Result = TypeVar("Result")


class Job(NamedTuple):
    """A model on its device, with what it is trained and validated on: `batch` examples a step,
    `micro` of them at once on a device."""

    config: Config
    task: Task
    loaded: Loaded
    data: Data
    inputs: list[Record]
    valid: list[Record]
    batch: int
    micro: int


def prepare(config: Config, stages: Stages | None = None) -> Job:
    """All that a run of this config has before its adapters, made in `stages`; every process calls
    it. Raises ValueError for wrong input."""
    stages, (config, _) = stages or Stages(), settled(config)
    count, task = processes.join().num_processes, find(config.data.task)
    task.options(config)
    check_scheme(config.adapter)
    if config.data.model is not None:
        located(config.data.model)  # one that is not installed is said before data are read
    with stages("data"):
        data = task.data(config)
        records, validated = split_validation(config, data)
    with stages("model"):
        loaded = task.load(config, data)
    adapter = training_whole(config.adapter, loaded.fresh)
    if config.training.peft is None:
        check(loaded.model, adapter)
    hold(loaded.model, base_dtype(config), (*saved_modules(loaded.model, adapter),))
    with stages("examples"):
        inputs = task.examples(config, loaded, data, records)
        valid = task.examples(config, loaded, data, validated) if validated else []
    batch, micro = sizes(config, len(inputs), count)
    whole = (*loaded.fresh, *config.adapter.modules_to_save)
    placement.place(loaded.model, config.run.sharded, whole)
    loaded.model.eval()
    return Job(config, task, loaded, data, inputs, valid, batch, micro)


def check(model: nn.Module, adapter: lora.Config) -> None:
    """Raise ValueError, naming the layer or the setting, for an adapter that this model cannot have
    whatever the data are."""
    layers, _ = targets(model, adapter)
    saved_modules(model, adapter)
    if lora.SCHEMES[adapter.scheme].needs_data:
        check_vectors(layers, adapter.scheme)
    initialization.check(adapter, {name: shape_of(module) for name, module in layers.items()})


def on_batches(job: Job, act: Callable[[Iterator[Any]], Result]) -> Result:
    """What `act` makes of this process's part of the training stream: with fewer examples at once
    where memory is short."""
    here, collate, seed = processes.join(), job.task.collate(job.loaded), job.config.seed

    def at(size: int) -> Result:
        set_seed(seed)  # of what the loss draws
        part = (seed, here.process_index, here.num_processes)
        return act(stream(job.loaded, job.inputs, size, collate, *part))

    return shrinking(at, job.micro)


def sizes(config: Config, examples: int, count: int) -> tuple[int, int]:
    """The batch of a step and the micro-batch of a device; raises ValueError where they do not fit
    each other."""
    batch = min(config.training.batch, examples)
    if count > 1 and batch % count:
        raise ValueError(f"the batch of {batch} must be a multiple of the {count} processes")
    micro = config.run.micro_batch or batch // count
    if batch % (micro * count):
        raise ValueError(
            f"micro_batch must divide the batch of {batch} on {count} processes, got {micro}"
        )
    return batch, micro


def split_validation(config: Config, data: Data) -> tuple[list[Record], list[Record]]:
    """What is trained on, and what is held out of it for validation."""
    if config.training.validate_every is None:
        return data.train, []
    if len(data.train) < 2:
        raise ValueError(
            "validate_every holds out a tenth of the training data, and there is one record"
        )
    records = list(data.train)
    random.Random(config.seed).shuffle(records)
    held = max(1, len(records) // PART)
    return records[held:], records[:held]
