"""A model with adapters in the hands of transformers: what its `save_pretrained` and its Trainer
write and read.

Their own methods would write the adapted layers under names that no plain model has, and
`from_pretrained` would fill a plain model's with random numbers. So while a model has adapters two
of its methods are hidden by these, as attributes that a copy or a pickle of the model has too:

    save_pretrained   writes the adapter, in PEFT's format. A folder named as the Trainer names its
                      checkpoints also gets the trained state, as model.safetensors, which is where
                      the Trainer looks when it resumes or goes back to the best checkpoint.
    load_state_dict   knows such a trained state and takes it whole or not at all, strict or not.

That file must never pass for a model. Under the name of each adapted weight, which only a model
without this adapter has, it holds the layer's scale, a tensor () where that model needs a matrix:
torch and transformers both refuse it, strict or not.
"""

import os
import re
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lora.model import adapters
from lora.processes import is_sharded
from lora.state import put, trained_state, write
from lora.storage import save

CHECKPOINT = "checkpoint-{}"
STATE_FILE = "model.safetensors"


def take_over(model: nn.Module, launching: bool = False) -> None:
    """Put the two methods before those of the model's class; `launching` as in `checkpoint`."""
    vars(model)["load_state_dict"] = partial(load_state_dict, model)
    if callable(getattr(model, "save_pretrained", None)):
        vars(model)["save_pretrained"] = partial(save_pretrained, model, launching=launching)


def release(model: nn.Module) -> None:
    """Leave the model with those of its class."""
    for name in ("load_state_dict", "save_pretrained"):
        vars(model).pop(name, None)


def save_pretrained(
    model: nn.Module,
    save_directory: str | os.PathLike,
    is_main_process: bool = True,
    *,
    state_dict: Mapping[str, Any] | None = None,
    push_to_hub: bool = False,
    launching: bool = False,
    **_: Any,
) -> None:
    """What a model with adapters does as `save_pretrained`: it writes the adapter, as `lora.save`
    does, and never the base model.

    Args:
        model: a model with adapters.
        save_directory: is made where it is missing; its other files are left alone.
        is_main_process: False writes nothing.
        state_dict: may be given, as the Trainer does, but with the values that the model has.
        push_to_hub: not done here.
        launching: as in `checkpoint`.

    What else transformers' and diffusers' methods take is about the files of whole models.

    Raises: ValueError, before anything is written, for what `lora.save` refuses, a merged model,
        adapters that are sharded between processes, or other values in `state_dict`.
    """
    if push_to_hub:
        raise ValueError(
            "push_to_hub is not done for an adapter: save it, and upload the folder by "
            "huggingface_hub.upload_folder"
        )
    check_savable(model)
    given = state_dict or {}
    for name, value in (trained_state(model) if given else {}).items():
        if name in given and not torch.equal(given[name].to(value), value):
            raise ValueError(
                f"state_dict holds another {name} than the model; an adapter is saved as the model "
                "has it: load these values into the model first"
            )
    if not is_main_process:
        return
    if re.fullmatch(CHECKPOINT.format(r"\d+"), Path(save_directory).name):
        checkpoint(model, Path(save_directory), launching)
    else:
        save(model, save_directory)


def check_savable(model: nn.Module) -> None:
    """Raise ValueError where one process cannot write the adapter by itself, or what to write is
    not clear."""
    for name, layer in adapters(model).items():
        if layer.merged:
            raise ValueError(
                f"{name} is merged: call lora.detach(model) first to save the merged model, or "
                "lora.unmerge(model) to save the adapter"
            )
        if any(is_sharded(parameter) for _, parameter in layer.trained()):
            raise ValueError(
                f"the adapter of {name} is sharded between processes, and one alone cannot save "
                "it: call lora.save(model, folder) on all of them"
            )


def checkpoint(model: nn.Module, folder: Path, launching: bool = False) -> None:
    """Write the adapter, and the trained state with the scales by which other models know that it
    is not theirs. While a launch is still to come, `launching`, no one need hear that there was
    none."""
    with warnings.catch_warnings():
        if launching:
            warnings.filterwarnings("ignore", ".*never launched")
        save(model, folder)
    write(folder / STATE_FILE, trained_state(model) | scales(model))


def scales(model: nn.Module) -> dict[str, Tensor]:
    return {
        f"{name}.weight": torch.tensor(layer.scale, dtype=torch.float64)
        for name, layer in adapters(model).items()
    }


def load_state_dict(
    model: nn.Module, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
) -> Any:
    """What a model with adapters does as `load_state_dict`: a trained state as `checkpoint` writes
    it is put in place, anything else is loaded as ever.

    Raises: ValueError, before any change, for the trained state of other adapters.
    """
    own = scales(model)
    stored = {key: state_dict[key] for key in own if key in state_dict and not state_dict[key].ndim}
    if not stored:
        return type(model).load_state_dict(model, state_dict, strict=strict, assign=assign)
    for key, scale in own.items():
        if key in stored and stored[key] != scale:
            raise ValueError(
                f"{key.removesuffix('.weight')}: the checkpoint was trained with scale "
                f"{float(stored[key]):g}, the model's is {float(scale):g}; attach it with the same "
                "rank and alpha"
            )
    put(trained_state(model) | own, state_dict)
    return nn.Module().load_state_dict({})  # torch's word for: all keys matched
