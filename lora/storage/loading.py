"""`lora.load`: a saved adapter onto a bare model."""

import os
from pathlib import Path

import torch
from torch import nn

from lora.kinds import about
from lora.layer import LoRALinear
from lora.model import build_layer, check_bare, install
from lora.report import Report
from lora.storage.files import WEIGHTS
from lora.storage.reading import module_names, read
from lora.storage.tensors import saved_tensors
from lora.targets import targets
from lora.variants.dora import Dora


def load(model: nn.Module, folder: str | os.PathLike) -> Report:
    """Put a saved adapter on a model. On any error the model is untouched.

    Args:
        model: the base model, without adapters.
        folder: what `lora.save` or PEFT wrote.

    Returns: the report that `lora.attach` would give.
    Raises: FileNotFoundError where a file is missing. ValueError, naming the file, for a damaged
        one, a key or shape that does not belong, a value that is not finite, or a PEFT option that
        this library does not compute.
    """
    check_bare(model)
    folder = Path(folder)
    stored = read(folder, module_names(model))
    config = stored.config
    with about(folder / WEIGHTS):
        saved, (found, skipped) = saved_tensors(model, config), targets(model, config)
        stored = stored.check(found, saved)

        def build(name: str, module: nn.Module) -> LoRALinear:
            parts = stored.parts(name, module)
            layer = build_layer(config, name, module, parts.factors, parts.frozen)
            if isinstance(layer, Dora) and parts.magnitude is not None:
                layer.magnitude = nn.Parameter(parts.magnitude.to(layer.magnitude))
            return layer

        report = install(model, config, found, skipped, build)
    with torch.no_grad():
        for key, value in saved.items():
            value.copy_(stored.tensors[key])
    return report
