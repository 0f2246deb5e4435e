"""What training changes in a model with adapters, and nothing else: with it and the base model a
run goes on exactly.

`lora.save` keeps a layer's function; this keeps how it is trained too: generators, magnitudes, the
directions of Dash with whether they are chosen, the frozen initial pair.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from lora.model import adapters, attached
from lora.storage.files import replace_together
from lora.storage.tensors import to_file
from lora.targets import saved_modules


def trained_state(model: nn.Module) -> dict[str, Tensor]:
    """Every tensor of the adapters but their bases', and of the modules_to_save, by its name in
    model.state_dict(): the model's own memory. Raises ValueError for a model without adapters."""
    config = attached(model).config
    found: dict[str, Tensor] = {}
    for name, layer in adapters(model).items():
        own = layer.state_dict(prefix=f"{name}.")
        base = (f"{name}.base_layer.", f"{name}.kept_base.")
        found |= {key: value for key, value in own.items() if not key.startswith(base)}
    for name, module in saved_modules(model, config).items():
        found |= module.state_dict(prefix=f"{name}.")
    return found


@torch.no_grad()
def put(own: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> None:
    """Copy a stored state into a model's own, in place. Raises ValueError, before any change, where
    a name or a shape differs."""
    if wrong := sorted(own.keys() ^ stored.keys()):
        raise ValueError(
            f"the checkpoint belongs to another adapter: they differ in {wrong[0]} and "
            f"{len(wrong) - 1} more"
        )
    for name, value in own.items():
        if value.shape != stored[name].shape:
            raise ValueError(
                f"the checkpoint belongs to another adapter: its {name} has shape "
                f"{tuple(stored[name].shape)}, the model's is {tuple(value.shape)}"
            )
    for name, value in own.items():
        value.copy_(stored[name])


def write(file: Path, state: Mapping[str, Tensor], about: Mapping[str, str] = {}) -> None:
    """A state as a safetensors file, which is replaced in one step; `about` are words for its
    header."""
    own = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in state.items()
    }
    replace_together(file.parent, {file.name: to_file(own, {"format": "pt", **about})})
