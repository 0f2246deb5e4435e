"""adapter_config.json for the adapters of a model."""

import json
import math
import re
import zlib
from collections import Counter
from typing import Any

from torch import nn

from lora.bases import base_of, is_conv1d
from lora.config import Config
from lora.kinds import parsed
from lora.layer import LoRALinear
from lora.peft_config.names import target_names
from lora.peft_config.tasks import task_type
from lora.report import exported_rank
from lora.targets import saved_modules

MARK = "loralab"  # our key in auto_mapping


def to_peft(model: nn.Module, config: Config, layers: dict[str, LoRALinear]) -> dict[str, Any]:
    """adapter_config.json for these layers, as plain LoRA or DoRA of the rank that each layer's
    export has: r, or 2 r where it has a frozen pair, and more where its variant adds columns."""
    rank = {name: exported_rank(layer) for name, layer in layers.items()}
    growth = {name: rank[name] / layer.rank for name, layer in layers.items()}
    alpha = {
        name: config.alpha_of(name)
        * (math.sqrt(growth[name]) if config.rank_stabilized else growth[name])
        for name in layers
    }
    linear = [
        layer.base_layer for layer in layers.values() if not base_of(layer.base_layer).reads_ids
    ]
    common_rank, common_alpha = (
        Counter(values.values()).most_common(1)[0][0] for values in (rank, alpha)
    )
    return {
        "peft_type": "LORA",
        "task_type": task_type(model, saved_modules(model, config).keys()),
        "auto_mapping": {
            "base_model_class": type(model).__name__,
            "parent_library": type(model).__module__,
        },
        "base_model_name_or_path": getattr(model, "name_or_path", None) or None,
        "inference_mode": True,
        "init_lora_weights": True,
        "r": common_rank,
        "lora_alpha": common_alpha,
        "lora_dropout": config.dropout,
        "use_rslora": config.rank_stabilized,
        "use_dora": any(layer.magnitudes() is not None for layer in layers.values()),
        "rank_pattern": {f"^{re.escape(name)}": r for name, r in rank.items() if r != common_rank},
        "alpha_pattern": {
            f"^{re.escape(name)}": a for name, a in alpha.items() if a != common_alpha
        },
        "target_modules": target_names(model, layers),
        "modules_to_save": list(config.modules_to_save) or None,
        "fan_in_fan_out": bool(linear) and all(is_conv1d(base) for base in linear),
        "bias": "none",
    }


def to_text(description: dict[str, Any]) -> bytes:
    """The bytes of adapter_config.json, with a checksum of the rest of it where PEFT stores it
    unread: so `is_ours` knows what was written here, and that nobody wrote it anew."""
    mapping = {**description["auto_mapping"], MARK: _checksum(description)}
    return _dumped({**description, "auto_mapping": mapping})


def is_ours(text: bytes) -> bool:
    """Whether these are the bytes that `to_text` gave."""
    values = parsed(text, "it")
    mapping = values.get("auto_mapping")
    if not isinstance(mapping, dict) or MARK not in mapping:
        return False
    mark = mapping.pop(MARK)
    return mark == _checksum(values)


def _dumped(description: dict[str, Any]) -> bytes:
    return json.dumps(description, indent=2, sort_keys=True).encode()


def _checksum(description: dict[str, Any]) -> str:
    return f"{zlib.crc32(_dumped(description)):08x}"
