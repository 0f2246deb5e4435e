"""Full fine-tuning: the model's own weights are trained, by the protocol of the adapters.

W' = W after AdamW's steps on W itself. By default these are the weights (not the biases) of the
layers that an adapter would be put on, all linear ones but the output head, so that a comparison
with LoRA is one of how the same layers change; with `full_targets` "all" every parameter. What is
trained is float32 at every precision: bfloat16 has 8 bits, and an update below 1/512 of a weight,
which is most of them, would be rounded away. So a run at bfloat16 is autocast over float32 weights.

For each parameter 4 bytes are its value, 4 its gradient and 8 AdamW's state; a checkpoint holds
the first and the last.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn
from transformers.utils import PushToHubMixin

from lora.bases import find_base
from lora.targets import saved_modules, targets
from scaling.core import outputs, state
from scaling.core.config import Config, training_whole
from scaling.core.quiet import quiet
from scaling.core.task import Loaded
from scaling.models import difference
from scaling.training.adapting import Adapted, adamw
from scaling.training.job import Job


def check(config: Config) -> None:
    """Nothing: the config has refused what does not apply."""


def fits(config: Config, loaded: Loaded) -> None:
    """Raise ValueError for a model whose weights cannot be trained, or not saved as wanted."""
    trained = weights(config, loaded)
    for name, module in loaded.model.named_modules():
        base = find_base(module)
        if base is not None and base.quantised:
            raise ValueError(
                f"full fine-tuning trains the weights themselves, and that of {name} is quantised: "
                "load the model unquantised"
            )
    if saver(loaded.model) is None:
        raise ValueError(f"a {type(loaded.model).__name__} cannot be saved as a model")
    if config.training.save == "difference" and loaded.fresh:
        raise ValueError(
            f"{loaded.fresh[0]} is newly initialized, and has no base to differ from: use --save "
            "model"
        )
    assert trained  # `targets` refuses a model without layers


def weights(config: Config, loaded: Loaded) -> dict[str, nn.Parameter]:
    """The parameters that are trained, by name; raises ValueError as `lora.targets` does."""
    model = loaded.model
    if config.training.full_targets == "all":
        return dict(model.named_parameters())
    # a weight that two modules share is one weight here, and no trouble
    adapter = replace(training_whole(config.adapter, loaded.fresh), tie=True)
    layers, _ = targets(model, adapter)
    matrices = [p for layer in layers.values() for p in layer.parameters(recurse=False)]
    whole = [p for m in saved_modules(model, adapter).values() for p in m.parameters()]
    wanted = {id(p) for p in (*(p for p in matrices if p.ndim > 1), *whole)}
    return {name: p for name, p in model.named_parameters() if id(p) in wanted}


def attach(job: Job) -> Adapted:
    config, loaded, model = job.config, job.loaded, job.loaded.model
    model.float()
    trained = weights(config, loaded)
    for parameter in trained.values():
        parameter.requires_grad_(True)
    # running statistics, where a model has them, change in training too
    kept = model.state_dict().keys() - dict(model.named_parameters(remove_duplicate=False)).keys()
    setattr(model, state.NAMED, (*trained, *sorted(kept)))
    count = sum(p.numel() for p in trained.values())
    total = sum(p.numel() for p in model.parameters())
    whole = config.training.save == "model"
    return Adapted(
        summary=f"full fine-tuning: {count:,} of {total:,} parameters are trained "
        f"({count / total:.2%})",
        trainable=count,
        optimizer=lambda: adamw(config, list(trained.values())),
        callbacks=lambda optimizer: [],
        save=partial(_save if whole else _save_difference, job),
        folder=outputs.MODEL if whole else outputs.DIFFERENCE,
    )


def resume(job: Job, checkpoint: Path) -> Adapted:
    adapted = attach(job)
    state.put(job.loaded.model, state.read(checkpoint)[1])
    return adapted


def saver(model: nn.Module) -> Callable[..., Any] | None:
    """How a model of transformers or diffusers saves itself; None for one of neither."""
    return getattr(model, "save_pretrained", None)


def _save(job: Job, folder: Path) -> None:
    """As `from_pretrained` reads it, with the tokenizer or other processor."""
    save, processor = saver(job.loaded.model), job.loaded.processor
    assert save is not None
    with outputs.whole_folder(folder) as partial, quiet():
        save(partial)
        if isinstance(processor, PushToHubMixin):
            processor.save_pretrained(partial)


def _save_difference(job: Job, folder: Path) -> None:
    """From the base model, which is loaded again: to keep it through training takes memory."""
    model, base = job.loaded.model, job.task.load(job.config, job.data).model
    names = [name for name in vars(model)[state.NAMED] if name in dict(model.named_parameters())]
    with outputs.whole_folder(folder) as partial:
        found = difference.difference(model, base, names)
        difference.write(partial, found, job.source, type(model).__name__)
