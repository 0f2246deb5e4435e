"""What comes before training: the records, the model and the examples."""

import random
from functools import partial

from lora.targets import saved_modules
from scaling.core import placement, processes
from scaling.core.config import Config, training_whole
from scaling.core.records import Record
from scaling.core.stages import Stages
from scaling.core.task import Data, Loaded
from scaling.data import streaming
from scaling.data.data_files import PART, chosen
from scaling.data.streaming import Stream, held_out
from scaling.models import quantised
from scaling.models.packaged import located
from scaling.models.precision import base_dtype, hold, settled
from scaling.tasks import find
from scaling.training import methods
from scaling.training.job import Job


def prepare(config: Config, stages: Stages | None = None) -> Job:
    """All that a run of this config has before it is trained, made in `stages`; every process calls
    it. Raises ValueError for wrong input."""
    stages, (config, _) = stages or Stages(), settled(config)
    count, task = processes.join().num_processes, find(config.data.task)
    task.options(config)
    method = methods.of(config)
    method.check(config)
    quantised.check(config)
    if config.data.streaming and task.streamed is None:
        raise ValueError(
            f"task {config.data.task!r} reads all of its data before training; streaming is for "
            "causal_lm"
        )
    if config.data.model is not None:
        located(config.data.model)  # one that is not installed is said before data are read
    with stages("data"):
        data = task.data(config)
        records, validated = split_validation(config, data)
    with stages("model"):
        loaded = task.load(config, data)
    if found := quantised.described(config, loaded.model):
        stages.note(str(found))
    method.fits(config, loaded)
    whole = saved_modules(loaded.model, training_whole(config.adapter, loaded.fresh))
    hold(loaded.model, base_dtype(config), (*whole,))
    with stages("examples"):
        inputs = task.examples(config, loaded, data, records)
        valid = task.examples(config, loaded, data, validated) if validated else []
    stream = _stream(config, loaded, data, stages)
    batch, micro = sizes(config, config.training.batch if stream else len(inputs), count)
    placement.place(
        loaded.model, config.run.sharded, (*loaded.fresh, *config.adapter.modules_to_save)
    )
    loaded.model.eval()
    return Job(config, task, loaded, data, inputs, valid, batch, micro, stream)


def _stream(config: Config, loaded: Loaded, data: Data, stages: Stages) -> Stream | None:
    """What this process trains on where the data are streamed."""
    make, here = find(config.data.task).streamed, processes.join()
    if make is None or not config.data.streaming:
        return None
    rows, test = chosen(config)
    return Stream(
        rows,
        sum(held_out(config, test)),
        partial(make, config, loaded, data),
        config.data.shuffle_buffer,
        config.seed,
        (here.process_index, here.num_processes),
        stages.note,
    )


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
    """What is trained on, and what is held out of it for validation: a tenth, and no more than is
    examined at the end, as a run validates more than once."""
    if config.training.validate_every is None:
        return data.train, []
    if config.data.streaming:
        first = streaming.validated(config)
        return data.train[first:], data.train[:first]
    if len(data.train) < 2:
        raise ValueError(
            "validate_every holds out a tenth of the training data, and there is one record"
        )
    records = list(data.train)
    random.Random(config.seed).shuffle(records)
    held = max(1, min(len(records) // PART, len(data.test)))
    return records[held:], records[:held]
