"""Adapters on disk, in PEFT's format: adapter_config.json beside adapter_model.safetensors.

What stock PEFT reads is a plain LoRA adapter. One with a frozen pair, B0 A0 != 0, is written with
rank 2 r,

    s (B A - B0 A0) = s [B, -B0] [A; A0],

with alpha doubled (times sqrt 2 when rank-stabilised), so that PEFT computes the same scale s. Our
own settings and a CRC-32 of every tensor stand in the safetensors metadata, which PEFT does not
read: with them `load` gives back exactly what was saved, the frozen pair included. The checksum is
against accident: it shows every burst of up to 32 bits, and other damage but for one case in 2^32;
no checksum inside the file would stop a forger. A pickle is never opened.

Of a variant the function is saved, not its way of being trained: `load` gives the variant's
`exported_as`, and what continues a training run is the model's state_dict.
"""

import cmath
import json
import os
import warnings
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from lora.bases import base_of, weight_of
from lora.config import Config
from lora.layer import LoRALinear
from lora.model import adapters, attached, build_layer, check_bare, install
from lora.peft_config import from_peft, to_peft
from lora.processes import whole
from lora.report import Report
from lora.schemes import SCHEMES, Factors
from lora.targets import saved_modules, targets
from lora.variants import VARIANTS
from lora.variants.dora import Dora

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# PEFT leaves out ".weight", which it then adds when reading and transformers does not
MAGNITUDE = "lora_magnitude_vector.weight"
OWN = "loralab"  # our key in the safetensors metadata


def save(model: nn.Module, folder: str | os.PathLike) -> None:
    """Write the adapters and the modules_to_save; stock PEFT loads the folder with equal outputs.

    Each file is replaced in one step once it is wholly on disk, so a killed save leaves the earlier
    adapter or the new one. Adapters that are sharded between processes are gathered, for which all
    of the processes must call this.

    Args:
        model: a model with adapters.
        folder: is made where it is missing; its other files are left alone.

    Raises: ValueError, before anything is written, for a model without adapters, with a value that
        is not finite, or with factors that this process does not hold (sharded by other means).
    """
    config, layers = attached(model).config, adapters(model)
    tensors = {
        key: value
        for name, layer in layers.items()
        for key, value in _exported(name, layer).items()
    }
    tensors |= _saved(model, config)
    tensors = {key: whole(value.detach()).cpu().contiguous() for key, value in tensors.items()}
    for key, tensor in tensors.items():
        _check_finite(key, tensor)
    description = json.dumps(to_peft(model, config, layers), indent=2, sort_keys=True)
    recorded, with_frozen = _recorded(model, config, layers, description)
    own = {
        "config": recorded.to_json(),
        "start": with_frozen,  # the key of every file written so far
        "crc32": {key: _checksum(tensor) for key, tensor in tensors.items()},
        "description": zlib.crc32(description.encode()),
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _replace_file(folder / CONFIG, description.encode())
    _replace_file(folder / WEIGHTS, to_bytes(tensors, {"format": "pt", OWN: json.dumps(own)}))


def load(model: nn.Module, folder: str | os.PathLike) -> Report:
    """Put a saved adapter on a model. On any error the model is untouched.

    Args:
        model: the base model, without adapters.
        folder: what `lora.save` or PEFT wrote.

    Returns: the report that `lora.attach` would give.
    Raises: FileNotFoundError where a file is missing. ValueError for a damaged file, a key or shape
        that does not belong, a value that is not finite, or a PEFT option that this library does
        not compute.
    """
    check_bare(model)
    folder = Path(folder)
    for file in (CONFIG, WEIGHTS):
        if not (folder / file).is_file():
            raise FileNotFoundError(
                f"there is no {file} in {folder} (pickled weights are never read)"
            )
    tensors, own = _read(folder / WEIGHTS)
    short = MAGNITUDE.removesuffix(".weight")
    tensors = {key + ".weight" * key.endswith(short): value for key, value in tensors.items()}
    description = (folder / CONFIG).read_bytes()
    if own is None:
        config, changed_base = from_peft(description, model)
    else:
        config, changed_base = Config.from_json(own["config"]), False
        if own["description"] != zlib.crc32(description):
            warnings.warn(
                f"{folder / CONFIG} was changed since the save; the record in {WEIGHTS} is used",
                stacklevel=2,
            )
    with_frozen = set(own["start"]) if own else set()
    saved, (found, skipped) = _saved(model, config), targets(model, config)
    more = [MAGNITUDE] if config.variant == "dora" else []
    wanted = {
        _key(name, part)
        for name, module in found.items()
        for part in (*base_of(module).keys, *more)
    }
    tensors = _without_bases(tensors, found)
    _check_keys(folder / WEIGHTS, set(tensors), wanted | set(saved))
    for key, value in saved.items():
        if tensors[key].shape != value.shape:
            raise ValueError(
                f"{key} has shape {tuple(tensors[key].shape)}, the model's is {tuple(value.shape)}"
            )

    def build(name: str, module: nn.Module) -> LoRALinear:
        W, rank = weight_of(module), config.rank_of(name)
        scale, width = config.scale_of(name, rank), rank * (1 + (name in with_frozen))
        A, B = (tensors[_key(name, key)] for key in base_of(module).keys)
        if B.shape != (W.shape[0], width) or A.shape != (width, W.shape[1]):
            raise ValueError(
                f"stored are B {tuple(B.shape)} and A {tuple(A.shape)}, but rank {rank} on this "
                f"layer needs ({W.shape[0]}, {width}) and ({width}, {W.shape[1]})"
            )
        B, A = (
            factor.to(W.device, torch.promote_types(factor.dtype, torch.float32))
            for factor in (B, A)
        )
        pair = Factors(-B[:, rank:], A[rank:]) if name in with_frozen else None
        if changed_base and not base_of(module).reads_ids:
            # PEFT subtracted this pair from the weight of the model that it trained, except for
            # an embedding's.
            pair = SCHEMES["pissa"](W.detach().to(B.dtype), rank, scale=scale, exact=True)
        layer = build_layer(config, name, module, Factors(B[:, :rank], A[:rank]), pair)
        if isinstance(layer, Dora):
            m = tensors[_key(name, MAGNITUDE)]
            if m.shape != layer.magnitude.shape:
                raise ValueError(
                    f"stored is a magnitude {tuple(m.shape)}, but this layer needs ({W.shape[0]},)"
                )
            layer.magnitude = nn.Parameter(m.to(layer.magnitude))
        return layer

    report = install(model, config, found, skipped, build)
    with torch.no_grad():
        for key, value in saved.items():
            value.copy_(tensors[key])
    return report


def _key(name: str, part: str) -> str:
    return f"base_model.model.{name}.{part}"


def _exported(name: str, layer: LoRALinear) -> dict[str, Tensor]:
    for part in layer.factors():
        if part.ndim != 2 or not part.numel():
            raise ValueError(
                f"{name}: a factor has shape {tuple(part.shape)}, so this process holds only a "
                "part of it; gather the parameters before saving"
            )
    B, A = layer.exported()
    tensors = dict(
        zip((_key(name, key) for key in base_of(layer.base_layer).keys), (A, B), strict=True)
    )
    m = layer.magnitudes()
    return tensors if m is None else tensors | {_key(name, MAGNITUDE): m}


def _without_bases(tensors: dict[str, Tensor], layers: dict[str, nn.Module]) -> dict[str, Tensor]:
    """Without the copies of base weights that PEFT adds for embeddings and heads; raises ValueError
    where one is not the model's own."""
    copies = {_key(name, "base_layer.weight"): module for name, module in layers.items()}
    for key in tensors.keys() & copies.keys():
        value, weight = tensors[key], copies[key].get_parameter("weight")
        if value.shape != weight.shape or not torch.equal(value.to(weight), weight):
            raise ValueError(
                f"{key} is the weight that the adapter was trained on, and differs from this "
                "model's"
            )
    return {key: value for key, value in tensors.items() if key not in copies}


def _recorded(
    model: nn.Module, config: Config, layers: dict[str, LoRALinear], description: str
) -> tuple[Config, list[str]]:
    """The config by which `load` reads what is written, and the layers with a frozen pair there.

    A layer with an extension is read as plain factors of all its columns, by the ranks of the
    description.
    """
    variant = VARIANTS[config.variant].exported_as
    if any(layer.extension() is not None for layer in layers.values()):
        config = replace(
            from_peft(description.encode(), model)[0],
            scheme=config.scheme,
            scheme_options=config.scheme_options,
            seed=config.seed,
            train_a=config.train_a,
            train_b=config.train_b,
            tie=config.tie,
        )
        return config, []
    config = (
        config
        if config.variant == variant
        else replace(config, variant=variant, variant_options={})
    )
    return config, [name for name, layer in layers.items() if layer.B0 is not None]


def _saved(model: nn.Module, config: Config) -> dict[str, Tensor]:
    return {
        f"base_model.model.{name}.{key}": value
        for name, module in saved_modules(model, config).items()
        for key, value in module.state_dict(keep_vars=True).items()
    }


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """The tensors, checked to be whole and finite, and our own record where the file has one."""
    content = file.read_bytes()  # at once: page by page through a memory map takes longer
    try:
        tensors = from_bytes(content)
    except SafetensorError as error:
        raise ValueError(f"{file} is damaged or no safetensors file: {error}") from error
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata = header.get("__metadata__", {})
    own = json.loads(metadata[OWN]) if OWN in metadata else None
    if own:
        _check_keys(file, set(tensors), set(own["crc32"]))
    for key, tensor in tensors.items():
        if own and _checksum(tensor) != own["crc32"][key]:
            raise ValueError(f"{file}: {key} is damaged, its checksum does not match")
        _check_finite(key, tensor)
    return tensors, own


def _check_keys(file: Path, found: set[str], wanted: set[str]) -> None:
    if missing := sorted(wanted - found):
        raise ValueError(f"{file} lacks {missing[0]} ({len(missing)} missing in all)")
    if extra := sorted(found - wanted):
        raise ValueError(
            f"{file} holds {extra[0]}, which belongs to no adapted layer ({len(extra)} such in all)"
        )


def _check_finite(key: str, tensor: Tensor) -> None:
    # counting takes ten times as long as a sum, which is never finite where an entry is not (it may
    # also overflow)
    if not cmath.isfinite(tensor.sum().item()) and (bad := int((~tensor.isfinite()).sum())):
        raise ValueError(f"{key} has {bad} entries that are NaN or infinite")


def _checksum(tensor: Tensor) -> int:
    return zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data)


def _replace_file(path: Path, content: bytes) -> None:
    """Write beside the file, force to disk, then replace: at no moment is there half a file under
    its name."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
