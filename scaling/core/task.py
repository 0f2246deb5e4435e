"""What a task is: a record of functions, from which `scaling.finetune` makes a run. One file of
scaling/tasks each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from torch import Tensor, nn

from scaling.core.config import Config

Record = dict[str, Any]
IGNORED = -100  # the label that every loss skips


class Data(NamedTuple):
    """Records as they were read, and what all of them say of the task (the classes, say),
    JSON-like."""

    train: list[Record]
    test: list[Record]
    facts: dict[str, Any]


class Loaded(NamedTuple):
    """A frozen base with its tokenizer (or other processor); the modules named in `fresh` are
    trained whole: those that the weights lacked, or that are too thin for an adapter."""

    model: nn.Module
    processor: Any
    fresh: tuple[str, ...]


@dataclass(frozen=True)
class NoOptions:
    """Of a task that has no options of its own."""


@dataclass(frozen=True)
class Task:
    """The functions that make a task, in the order in which they run. Wrong input is a ValueError
    of one sentence.

    data(config)                              the records, embedded or read from the config's files
    load(config, data)                        the model and its processor examples(config, loaded,
    data, records)   a model input for each record, which `collate` can batch collate(loaded)
    the function from a list of examples to a batch of tensors predict(config, loaded, data,
    records, examples, batch_size)    a JSON-like row for each record metrics(rows, data)
    numbers that tell how good the rows are, by name, best known first score(row)
    how good one row is, the higher the better, to compare methods example by
                                              example; without it only all rows together are judged,
                                                  and the first
                                              metric is a distance
    loss(loaded)                              the function from the model and a batch to what is
    minimised, a mean over
                                              the batch, which may draw from the global generator;
                                                  by default what the
                                              model gives
    """

    data: Callable[[Config], Data]
    load: Callable[[Config, Data], Loaded]
    examples: Callable[[Config, Loaded, Data, Sequence[Record]], list[Record]]
    collate: Callable[[Loaded], Callable[[list[Record]], dict[str, Tensor]]]
    predict: Callable[[Config, Loaded, Data, Sequence[Record], Sequence[Record], int], list[Record]]
    metrics: Callable[[Sequence[Record], Data], dict[str, float]]
    loss: Callable[[Loaded], Callable[[nn.Module, dict[str, Tensor]], Tensor]] | None = None
    score: Callable[[Record], float] | None = None
    by_tokens: bool = False
    """The model's loss is a mean over the tokens that have labels, and can take their number in a
    whole step."""
    Options: type = NoOptions
    """A frozen dataclass of what `task_options` may hold; it raises ValueError on impossible
    values."""

    def options(self, config: Config) -> Any:
        """The `Options` of this config; raises ValueError for an unknown one."""
        known = [f.name for f in fields(self.Options)]
        for name in config.data.task_options:
            if name not in known:
                has = f"its options are {', '.join(known)}" if known else "it has no options"
                raise ValueError(f"task {config.data.task!r} has no option {name!r}; {has}")
        return self.Options(**config.data.task_options)
