"""All that is measured for advice, in the order in which it is cheapest."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean
from typing import Any

import torch
from torch import Tensor, nn

import lora
from lora.bases import base_of
from lora.peft_config.writing import to_peft
from lora.targets import targets
from scaling.advice import costs
from scaling.advice.diagnostics import Diagnosis, diagnose
from scaling.advice.facts import Facts, over_layers
from scaling.advice.rates import Bound, Line, bound_on, common_width, predicted
from scaling.advice.recommendation import Choice, recommend
from scaling.advice.sample import Loss, probe, sampled
from scaling.core.config import Config, training_whole
from scaling.evaluation.label_loss import mean_loss
from scaling.training.job import Job, on_batches

EXAMPLES = 8  # at once: the search for a bound takes some eight forwards of them
PASS = 2  # batches that an initialization is timed on
# micro-batches of the run that are measured, and not run: a larger one is padded to a longer text
SIZED = 4


@dataclass(frozen=True)
class Advice:
    """Every number that is predicted, and the recommendation.

    Args:
        task: of the run.
        scheme: the initialization that the run asks for.
        width: the commonest width of a layer's input.
        batches: how many probe batches there were.
        layers: the diagnostics of each measured layer.
        bounds: of the learning rate, by scheme.
        memory: what training keeps.
        starts: the time that an initialization takes, by scheme.
        training: seconds that the run's steps will take.
        facts: what the rules of the recommendation read.
        recommendation: a choice each, with its reason.
        peft: the adapter_config.json that `lora.save` would write of the run with the default
            initialization.
        modules: the names of the model's modules.
    """

    task: str
    scheme: str
    width: int
    batches: int
    layers: list[Diagnosis]
    bounds: dict[str, Bound]
    memory: costs.Memory
    starts: dict[str, costs.InitializationTime]
    training: float
    facts: Facts
    recommendation: list[Choice]
    peft: dict[str, Any]
    modules: list[str]


def advised(job: Job, count: int) -> Advice:
    """Advice from the first batches of the training stream, of at most EXAMPLES each.

    Args:
        job: the run, its model and its examples.
        count: probe batches, at least 2.
    """
    few = job._replace(micro=max(1, min(job.micro, EXAMPLES, len(job.inputs) // 2)))
    sizes = on_batches(job, lambda stream: [size(batch) for batch in stream], SIZED)
    return on_batches(few, lambda stream: advise(job, list(stream), sizes), count)


def size(batch: Mapping[str, Any]) -> int:
    """How many numbers a batch holds, to which the time that it takes is about proportional."""
    return sum(value.numel() for value in batch.values() if isinstance(value, Tensor))


def advise(job: Job, batches: list[Any], sizes: list[int]) -> Advice:
    """Advice from probe batches. The model is left as it was, on an error too.

    Args:
        job: the run, its model and its examples.
        batches: of the run's examples; they may be smaller than its micro-batches.
        sizes: of some of the run's micro-batches.

    Raises: ValueError for fewer than two batches.
    """
    config = job.config
    if len(batches) < 2:
        raise ValueError(f"advise needs two training examples at least, got {len(job.inputs)}")
    first, passed = size(batches[0]), mean(map(size, batches[:PASS]))
    model, own = job.loaded.model, job.task.loss and job.task.loss(job.loaded)
    loss = loss_on(job, batches[0])
    adapter = training_whole(config.adapter, job.loaded.fresh)
    found, _ = targets(model, adapter)
    layers = diagnose(probe(model, sampled(found), batches, loss), adapter)
    bounds, starts = dict[str, Bound](), dict[str, costs.InitializationTime]()
    memory, described = None, dict[str, Any]()
    modules = [name for name, _ in model.named_modules()]
    for scheme, config_of in candidates(config, found).items():
        given = training_whole(config_of.adapter, job.loaded.fresh)
        try:
            starts[scheme] = costs.initialization_time(
                model, given, batches[:PASS], own, job.seen(job.micro), mean(sizes) / passed
            )
            if scheme == "init_a":
                described = to_peft(model, given, lora.adapters(model))
            bounds[scheme] = _bound(config_of, model, batches[0], loss)
            memory = memory or costs.memory(model, batches[0], loss, max(sizes) / first)
        finally:
            if lora.adapters(model):
                lora.detach(model)
    assert memory is not None
    width = common_width(found)
    micro_batches = config.training.steps * job.batch / job.micro
    training = micro_batches * bounds[config.adapter.scheme].seconds * mean(sizes) / first
    facts = Facts(
        **over_layers(layers),
        fresh=bool(job.loaded.fresh),
        saved=1 - memory.kept_frozen_a / memory.kept,
        rank=config.adapter.rank,
        predicted={
            scheme: predicted(config, scheme, width, bool(job.loaded.fresh)) for scheme in bounds
        },
        bound={scheme: bound.crossing for scheme, bound in bounds.items()},
        delay={scheme: time.whole / training for scheme, time in starts.items()},
    )
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
        described,
        modules,
    )


def loss_on(job: Job, batch: Any) -> Loss:
    """The loss of a model on a batch of this task, as the Trainer takes it: what `label_loss` finds
    out by a pass of its own, it finds out now, before the layers are watched."""
    if job.task.loss is not None:
        return job.task.loss(job.loaded)
    if not job.task.by_tokens:
        return lambda model, batch: model(**batch).loss
    with torch.no_grad():
        mean_loss(job.loaded.model, **batch)
    return lambda model, batch: mean_loss(model, **batch)["loss"]


def candidates(config: Config, layers: Mapping[str, nn.Module]) -> dict[str, Config]:
    """The run with the initialization asked for, with the default one and with EVA, by scheme; not
    with EVA where a layer reads indices."""
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
