"""What a task is: a record of functions, from which `scaling.finetune` makes a run. One file of
scaling/tasks each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from torch import Tensor, nn

from scaling.core.config import Config
from scaling.core.records import Record

IGNORED = -100  # the label that every loss skips


class Data(NamedTuple):
    """Records as they were read, and what all of them say of the task (the classes, say),
    JSON-like."""

    train: list[Record]
    test: list[Record]
    facts: dict[str, Any]


class Loaded(NamedTuple):
    """A frozen base model with its tokenizer (or other processor). The modules named in `fresh` are
    trained whole: those that are newly initialized, as the weights lacked them, or that are too
    thin for an adapter."""

    model: nn.Module
    processor: Any
    fresh: tuple[str, ...]


@dataclass(frozen=True)
class NoOptions:
    """Of a task that has no options of its own."""


def no_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of a task that leaves every setting as it is."""
    return {}


@dataclass(frozen=True)
class Task:
    """The functions that make a task, in the order in which they run. Wrong input is a ValueError
    of one sentence.

    Args:
        data: of (config): the records, embedded or read from the config's files.
        load: of (config, data): the model and its processor.
        examples: of (config, loaded, data, records): a model input for each record, which `collate`
            can batch.
        collate: of (loaded): the function from a list of examples to a batch of tensors.
        predict: of (config, loaded, data, records, examples, batch_size): a JSON-like row for each
            record.
        metrics: of (rows, data): the metrics of all rows by name, the best known first.
        loss: of (loaded): the function from the model and a batch to what is minimised, a mean over
            the batch, which may draw from the global random generator; by default what the model
            gives.
        score: of (row): a score of one row, the higher the better, to compare methods example by
            example; without it only all rows together have a metric, and the first is a distance.
        by_tokens: whether the model's loss is a mean over the tokens that have labels, and can take
            their number in a whole step.
        remembers: whether its models, which write on from what they read, were pretrained on
            running text, and so can be asked what they forget of such a text.
        quantises: whether its models are transformers', with linear layers that `quantize` can hold
            in fewer bits.
        streamed: of (config, loaded, data, record, rest): the examples that a record of a stream
            makes with the tokens left over from those before it, and the tokens that are then left
            over; without it the task reads all of its data first. It raises ValueError for a
            record that `data` would refuse.
        Options: a frozen dataclass of what `task_options` may hold; it raises ValueError on
            impossible values.
        defaults: of (settings by name, as the user gives them): what the task has otherwise by
            default than the settings do, in a run on data of its own.
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
    remembers: bool = False
    quantises: bool = True
    streamed: (
        Callable[[Config, Loaded, Data, Record, list[int]], tuple[list[Record], list[int]]] | None
    ) = None
    Options: type = NoOptions
    defaults: Callable[[Mapping[str, Any]], dict[str, Any]] = no_defaults

    def options(self, config: Config) -> Any:
        """The `Options` of this config; raises ValueError for an unknown one."""
        known = [f.name for f in fields(self.Options)]
        for name in config.data.task_options:
            if name not in known:
                has = f"its options are {', '.join(known)}" if known else "it has no options"
                raise ValueError(f"task {config.data.task!r} has no option {name!r}; {has}")
        return self.Options(**config.data.task_options)
