"""A model's weights as their difference from those of its base model, W' - W, and how it is added.

A file of the tensors by their names in the model, in float32. What is added is rounded twice: W +
(W' - W) is within u (|W' - W| + |W'|) of W', u = 2^-24, and is W' bit for bit wherever W'/2 <= W <=
2 W', as there the difference is exact (Sterbenz). The base is widened to float32 first, which is
exact.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from loralab.files import write_text

FILE = "difference.safetensors"
ABOUT = """# The difference of a fine-tuned model from {base}

`difference.safetensors` holds W' - W, in float32, of every weight that was trained, by its name in
the model. To have the model:

```python
from transformers import {kind}
from scaling.models.difference import add

model = {kind}.from_pretrained("{base}")
add(model, "this folder")
```

Without this project: `model.float()`, then for every tensor of the file
`model.get_parameter(name).data += tensor`.
"""


def difference(model: nn.Module, base: nn.Module, names: Collection[str]) -> dict[str, Tensor]:
    """W' - W of these parameters of the model, on the CPU."""
    return {
        name: model.get_parameter(name).detach().cpu().float()
        - base.get_parameter(name).detach().cpu().float()
        for name in names
    }


def write(folder: Path, tensors: Mapping[str, Tensor], base: str, kind: str) -> None:
    """Write the file into a folder that is there, and a README.md that says how it is added.

    Args:
        folder: where they go.
        tensors: of `difference`.
        base: the base model, as it was named.
        kind: the class of transformers that loads it.
    """
    save_file(dict(tensors), folder / FILE, {"format": "pt", "base_model": base})
    write_text(folder / "README.md", ABOUT.format(base=base, kind=kind))


@torch.no_grad()
def add(model: nn.Module, folder: str | Path) -> None:
    """Add a difference to its base model, in place; all of the model is then in float32.

    Args:
        model: the base model, as transformers loads it.
        folder: with a difference.safetensors.

    Raises: ValueError, before any change, for a file that cannot be read, or one that has a name or
        a shape that is not the model's.
    """
    file = Path(folder) / FILE
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
    own = dict(model.named_parameters(remove_duplicate=False))
    for name, tensor in tensors.items():
        if name not in own:
            raise ValueError(f"{file} is of another model: this one has no {name}")
        if tensor.shape != own[name].shape:
            raise ValueError(
                f"{file} is of another model: its {name} has shape {tuple(tensor.shape)}, the "
                f"model's is {tuple(own[name].shape)}"
            )
    model.float()
    for name, tensor in tensors.items():
        own[name].add_(tensor.to(own[name].device))
