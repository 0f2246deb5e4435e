"""All that is looked at for advice, in the order in which it is cheapest."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from statistics import mean
from typing import Any

from torch import Tensor, nn

import lora
from lora.bases import base_of, shape_of
from lora.targets import targets
from scaling.advice import costs
from scaling.advice.diagnostics import Diagnosis, diagnose
from scaling.advice.rates import Bound, Line, bound_on, predicted
from scaling.advice.recommendation import Choice, Facts, facts_of, recommend
from scaling.advice.sample import Loss, look, sampled
from scaling.core.batches import MOST
from scaling.core.config import Config, training_whole
from scaling.training.preparation import Job, on_batches

EXAMPLES = 8  # at once: the search for a bound takes some eight forwards of them
PASS = 2  # batches that a start is timed on
# micro-batches of the run that are measured, and not run: a larger one is padded to a longer text
SIZED = 4


@dataclass(frozen=True)
class Advice:
    """Every number that is foretold, and the recommendation; by scheme what each start was seen to
    do. `training` is the seconds that the run's steps will take, `width` the commonest width of a
    layer's input."""

    task: str
    scheme: str
    width: int
    batches: int
    layers: list[Diagnosis]
    bounds: dict[str, Bound]
    memory: costs.Memory
    starts: dict[str, costs.Start]
    training: float
    facts: Facts
    recommendation: list[Choice]


def advised(job: Job, count: int) -> Advice:
    """Advice from the first `count` batches of the training stream, of at most EXAMPLES each."""
    few = job._replace(micro=max(1, min(job.micro, EXAMPLES, len(job.inputs) // 2)))
    sizes = on_batches(job, lambda stream: [size(batch) for batch in islice(stream, SIZED)])
    return on_batches(few, lambda stream: advise(job, list(islice(stream, count)), sizes))


def size(batch: Mapping[str, Any]) -> int:
    """How many numbers a batch holds, which is what it costs to run it, about."""
    return sum(value.numel() for value in batch.values() if isinstance(value, Tensor))


def advise(job: Job, batches: list[Any], sizes: list[int]) -> Advice:
    """Advice on a run from batches of its examples, which may be smaller than the
    run's micro-batches, of which some have these sizes. The model is left as it was, on an error
    too."""
    config = job.config
    if len(batches) < 2:
        raise ValueError(f"advise needs two training examples at least, got {len(job.inputs)}")
    first, passed = size(batches[0]), mean(map(size, batches[:PASS]))
    model, own = job.loaded.model, job.task.loss and job.task.loss(job.loaded)
    loss = own or (lambda model, batch: model(**batch).loss)
    adapter = training_whole(config.adapter, job.loaded.fresh)
    in_run = min(len(job.inputs) // job.micro, MOST)
    found, _ = targets(model, adapter)
    layers = diagnose(look(model, sampled(found), batches, loss), adapter)
    bounds, starts, memory = dict[str, Bound](), dict[str, costs.Start](), None
    for scheme, config_of in candidates(config, found).items():
        given = training_whole(config_of.adapter, job.loaded.fresh)
        try:
            starts[scheme] = costs.start(
                model, given, batches[:PASS], own, in_run, mean(sizes) / passed
            )
            bounds[scheme] = _bound(config_of, model, batches[0], loss)
            memory = memory or costs.memory(model, batches[0], loss, max(sizes) / first)
        finally:
            if lora.adapters(model):
                lora.detach(model)
    assert memory is not None
    width = Counter(shape_of(module)[1] for module in found.values()).most_common(1)[0][0]
    rates = {scheme: predicted(config, scheme, width) for scheme in bounds}
    micro_batches = config.training.steps * min(config.training.batch, len(job.inputs)) / job.micro
    training = micro_batches * bounds[config.adapter.scheme].seconds * mean(sizes) / first
    delay = {scheme: start.whole / training for scheme, start in starts.items()}
    rank, fresh = config.adapter.rank, bool(job.loaded.fresh)
    facts = facts_of(layers, bounds, rates, memory, delay, rank, fresh)
    return Advice(
        config.data.task,
        config.adapter.scheme,
        width,
        len(batches),
        layers,
        bounds,
        memory,
        starts,
        training,
        facts,
        recommend(facts),
    )


def candidates(config: Config, layers: Mapping[str, nn.Module]) -> dict[str, Config]:
    """The start asked for, the default and EVA's, unless a layer reads indices."""
    others = (
        ["init_a"]
        if any(base_of(module).reads_ids for module in layers.values())
        else ["init_a", "eva"]
    )
    found = {config.adapter.scheme: config}
    for scheme in others:
        found.setdefault(
            scheme, config.replace(scheme=scheme, scheme_options={}, train_a=True, train_b=True)
        )
    return found


def _bound(config: Config, model: nn.Module, batch: Any, loss: Loss) -> Bound:
    line = Line(config, model, batch, loss)
    try:
        return bound_on(line)
    finally:
        line.leave()
