"""Tensors as the bytes of a safetensors file and back, and what PEFT calls them."""

import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from torch import Tensor, nn

from lora.bases import base_of
from lora.config import Config
from lora.finite import bad_entries
from lora.kinds import parsed
from lora.storage.files import Content
from lora.targets import saved_modules

# PEFT leaves out ".weight", which it then adds when reading and transformers does not
MAGNITUDE = "lora_magnitude_vector.weight"
METADATA = "__metadata__"
TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "C64": torch.complex64,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def key_of(name: str, part: str) -> str:
    return f"base_model.model.{name}.{part}"


def keys_of(name: str, base: nn.Module) -> tuple[str, str]:
    """What the A and the B of a layer are called."""
    a, b = base_of(base).keys
    return key_of(name, a), key_of(name, b)


def by_full_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file under the keys that `save` writes: PEFT's own are shorter."""
    short = MAGNITUDE.removesuffix(".weight")
    return {key + ".weight" * key.endswith(short): value for key, value in tensors.items()}


def saved_tensors(model: nn.Module, config: Config) -> dict[str, Tensor]:
    """The values of the modules_to_save as they stand."""
    return {
        key_of(name, key): value
        for name, module in saved_modules(model, config).items()
        for key, value in module.state_dict(keep_vars=True).items()
    }


def to_file(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Content:
    """The bytes of a file, the same ones for the same tensors, which are not copied: safetensors
    itself copies them, and writes the metadata in another order in each process."""
    names, end = {dtype: name for name, dtype in TYPES.items()}, 0
    header: dict[str, Any] = {METADATA: dict(sorted(metadata.items()))}
    # the widest first, so that each begins at a multiple of its width
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0]))
    for key, tensor in ordered:
        start, end = end, end + tensor.nbytes
        header[key] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data begins at a multiple of 8
    return [len(text).to_bytes(8, "little"), text, *(raw(tensor) for _, tensor in ordered)]


def raw(tensor: Tensor) -> memoryview:
    """The bytes of a contiguous tensor in the processor's memory, which it shares."""
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def from_file(content: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata; raises ValueError for a damaged file."""
    try:
        header = parsed(content[8 : 8 + int.from_bytes(content[:8], "little")], "its header")
        for key, entry in header.items():
            kind = entry.get("dtype") if isinstance(entry, dict) and key != METADATA else None
            if isinstance(kind, str) and kind not in TYPES:
                raise ValueError(f"{key} is of type {kind}; supported are {', '.join(TYPES)}")
        tensors = from_bytes(content)
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"damaged or no safetensors file: {error}") from error
    return tensors, header.get(METADATA) or {}


def check_finite(key: str, tensor: Tensor) -> None:
    if tensor.dtype not in TYPES.values():
        raise ValueError(f"{key} is of type {tensor.dtype}; supported are {', '.join(TYPES)}")
    if bad := bad_entries(tensor):
        raise ValueError(f"{key} has {bad} entries that are NaN or infinite")
