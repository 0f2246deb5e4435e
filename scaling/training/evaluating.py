"""What a run is measured by, before, along and after training: the task's metrics, and the loss on
the base model's text."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any, NamedTuple

import torch
from accelerate.utils import gather_object

from scaling.core import processes
from scaling.core.memory import shrinking
from scaling.core.records import Record
from scaling.data.base_text import BaseText
from scaling.evaluation import forgetting
from scaling.evaluation.samples import written
from scaling.training.job import Job


class Before(NamedTuple):
    """What is known before training: the metrics, what the model writes where it is asked to, and
    the loss on the blocks of the base text, where there is one."""

    metrics: dict[str, float]
    written: list[str]
    base_text: list[float] | None


def measured(job: Job, held: Sequence[Record] | None, text: BaseText | None) -> Before:
    """Of the base model, on the examples of the test data where they are given, and on the base
    text where there is one."""
    rows, metrics = ([], {}) if held is None else evaluated(job, held)
    found = text and forgetting.of(job.config, job.loaded, text.text)
    return Before(metrics, written(rows), found and found.blocks)


def evaluated(job: Job, held: Sequence[Record]) -> tuple[list[Record], dict[str, float]]:
    """A row for each test record, and the metrics. Processes share the records out, but for a
    sharded base model, which runs on all of them at once."""
    config, task, loaded, data = job.config, job.task, job.loaded, job.data
    here = processes.join()
    of, process = (1, 0) if config.run.sharded else (here.num_processes, here.process_index)
    loaded.model.eval()

    def predict(size: int) -> list[Record]:
        return task.predict(config, loaded, data, data.test[process::of], held[process::of], size)

    with torch.no_grad():
        rows = shrinking(predict, config.run.micro_batch or config.training.batch)
    if of > 1:
        parts = gather_object([rows])
        rows = [parts[i % of][i // of] for i in range(sum(map(len, parts)))]
    return rows, task.metrics(rows, data)


def glimpse(job: Job, text: BaseText) -> float:
    """The loss on the first blocks of the base text, in bits a byte."""
    return forgetting.of(job.config, job.loaded, text.text, forgetting.GLIMPSE).loss


def remembered(
    job: Job, text: BaseText, before: Before, glimpses: Sequence[tuple[int, float]]
) -> dict[str, Any]:
    """What a finished run says of the base text: where it is from, its size, its loss in bits a
    byte "before" and "after" and the same by block, what was forgotten in "nats_a_token", and the
    loss of its first blocks along training as a "curve" of pairs of a step and a loss."""
    first, after = before.base_text, forgetting.of(job.config, job.loaded, text.text)
    assert first is not None
    begun, ended = (fmean(blocks[: forgetting.GLIMPSE]) for blocks in (first, after.blocks))
    return {
        "source": text.source,
        "sha256": text.sha256,
        "bytes": after.bytes,
        "tokens": after.tokens,
        "before": fmean(first),
        "after": after.loss,
        "nats_a_token": after.in_nats(after.loss - fmean(first)),
        "curve": [(0, begun), *(glimpses or [(job.config.training.steps, ended)])],
        "blocks": {"before": first, "after": after.blocks},
    }
