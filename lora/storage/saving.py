"""`lora.save`: the adapters of a model into a folder."""

import os
import warnings
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from lora.config import Config
from lora.layer import LoRALinear
from lora.model import adapters, attached
from lora.peft_config import from_peft, to_peft, to_text
from lora.processes import whole
from lora.storage.card import card_of, is_card
from lora.storage.files import CARD, CONFIG, WEIGHTS, replace_together
from lora.storage.reading import module_names
from lora.storage.record import KEY, Record
from lora.storage.tensors import (
    MAGNITUDE,
    check_finite,
    key_of,
    keys_of,
    saved_tensors,
    to_file,
)
from lora.variants import VARIANTS
from lora.variants.dash import DashLinear


def save(model: nn.Module, folder: str | os.PathLike) -> None:
    """Write the adapters and the modules_to_save; stock PEFT loads the folder with equal outputs.

    A save that is killed, or finds the disk full, leaves the earlier adapter or the new one, and
    never files of both. Several processes and threads may save to one folder: the last one stays.
    Adapters that are sharded between processes are gathered, for which all of the processes must
    call this.

    Args:
        model: a model with adapters.
        folder: is made where it is missing. Its other files are left alone, and so is a README.md
            that this function did not write: it writes a model card there.

    Raises: ValueError, before anything is written, for a model without adapters, with a value that
        is not finite, or with factors that this process does not hold (sharded by other means).
        A warning says where `dash` or `tsd` was trained and never launched.
    """
    config, layers = attached(model).config, adapters(model)
    _check_launched(layers)
    tensors = {
        key: value
        for name, layer in layers.items()
        for key, value in _exported(name, layer).items()
    }
    tensors |= saved_tensors(model, config)
    tensors = {key: whole(value.detach()).cpu().contiguous() for key, value in tensors.items()}
    for key, tensor in tensors.items():
        check_finite(key, tensor)
    description = to_text(to_peft(model, config, layers))
    record = Record.of(*_recorded(model, config, layers, description), tensors, description)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        WEIGHTS: to_file(tensors, {"format": "pt", KEY: record.to_text()}),
        CONFIG: [description],
    }
    if is_card(folder / CARD):
        contents[CARD] = [card_of(model, config, layers)]
    replace_together(folder, contents)


def _exported(name: str, layer: LoRALinear) -> dict[str, Tensor]:
    for part in layer.factors():
        if part.ndim != 2 or not part.numel():
            raise ValueError(
                f"{name}: a factor has shape {tuple(part.shape)}, so this process holds only a "
                "part of it; gather the parameters before saving"
            )
    B, A = layer.exported()
    tensors = dict(zip(keys_of(name, layer.base_layer), (A, B), strict=True))
    m = layer.magnitudes()
    return tensors if m is None else tensors | {key_of(name, MAGNITUDE): m}


def _recorded(
    model: nn.Module, config: Config, layers: dict[str, LoRALinear], description: bytes
) -> tuple[Config, list[str]]:
    """The config by which `load` reads what is written, and the layers with a frozen pair there.

    A layer with an extension is read as plain factors of all its columns, by the ranks of the
    description.
    """
    variant = VARIANTS[config.variant].exported_as
    if any(layer.extension() is not None for layer in layers.values()):
        config = replace(
            from_peft(description, module_names(model))[0],
            scheme=config.scheme,
            scheme_options=config.scheme_options,
            seed=config.seed,
            train_a=config.train_a,
            train_b=config.train_b,
            tie=config.tie,
        )
        return config, []
    if config.variant != variant:
        config = replace(config, variant=variant, variant_options={})
    return config, [name for name, layer in layers.items() if layer.B0 is not None]


def _check_launched(layers: dict[str, LoRALinear]) -> None:
    """Warn where a variant that must be launched was trained without."""
    waiting = [
        name
        for name, layer in layers.items()
        if isinstance(layer, DashLinear) and int(layer.chosen[0]) < 0 and _moved(layer)
    ]
    if waiting:
        warnings.warn(
            f"{waiting[0]} ({len(waiting)} such layers) was trained but never launched, so this "
            "is plain LoRA: call lora.launch(model, optimizer) once, after some steps of training",
            stacklevel=3,
        )


def _moved(layer: LoRALinear) -> bool:
    L, R = (whole(part.detach()) for part in layer.update())
    return bool((L.any(0) & R.any(1)).any())
