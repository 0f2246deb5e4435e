"""What an initialization sees of the training data: what the run trains on first, and no more."""

import pytest
import torch
from torch import nn

pytest.importorskip("transformers")

from scaling.core.batches import MOST
from scaling.core.config import Config
from scaling.core.task import Data, Loaded, Task
from scaling.training.job import Job, on_batches

RECORDS = 40


def job(steps: int, batch: int, micro: int, records: int = RECORDS) -> Job:
    """One that trains a layer on the numbers from 0."""

    def collate(loaded):
        return lambda some: {"x": torch.tensor([one["x"] for one in some])}

    task = Task(*[None] * 3, collate, None, None)  # type: ignore[arg-type]
    inputs = [{"x": float(i)} for i in range(records)]
    loaded = Loaded(nn.Linear(1, 1), None, ())
    config = Config.of(steps=steps, batch=batch)
    return Job(config, task, loaded, Data([], [], {}), inputs, [], batch, micro)


@pytest.mark.parametrize(
    ("steps", "batch", "micro", "count"),
    [
        (3, 8, 8, 3),  # the run's own steps
        (3, 8, 4, 6),  # in smaller parts
        (100, 8, 8, 5),  # one epoch
        (1, 4, 8, 1),  # never none
    ],
)
def test_an_initialization_learns_from_no_more_than_is_trained_on(steps, batch, micro, count):
    seen = on_batches(job(steps, batch, micro), list)
    assert [len(one["x"]) for one in seen] == [micro] * count


def test_a_long_run_s_initialization_ends():
    many = job(steps=10**6, batch=1, micro=1, records=MOST + 44)
    assert len(on_batches(many, list)) == MOST


def test_who_asks_for_more_gets_it():
    """Probe batches of advice are more than a run of one step trains on."""
    assert len(on_batches(job(1, 8, 8), list, 4)) == 4
