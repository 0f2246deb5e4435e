"""The two directions between `lora.Config` and PEFT's adapter_config.json."""

import json
import math
import re
from collections import Counter
from collections.abc import Collection
from typing import Any

from torch import nn

from lora.bases import base_of, is_conv1d
from lora.config import Config, matches, pattern_matches
from lora.layer import LoRALinear

# PEFT options that change the computed function, with the values under which they do not.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "alora_invocation_tokens": (None,),
    "arrow_config": (None,),
    "bias": ("none",),
    "ensure_weight_tying": (False,),
    "kasa_config": (None,),
    "layer_replication": (None, []),
    "layers_to_transform": (None, []),
    "lora_bias": (False,),
    "monteclora_config": (None,),
    "target_parameters": (None, []),
    "trainable_token_indices": (None, []),
    "use_bdlora": (None, False),
    "use_qalora": (False,),
    "velora_config": (None,),
}
# PEFT's initializations that leave the base weight alone; "pissa" beside them changes it, but what
# it subtracted can be computed again.
SCHEME_OF = {
    True: "init_a",
    False: "init_a",
    "gaussian": "gaussian",
    "orthogonal": "init_a",
    "eva": "init_a",
}


def to_peft(model: nn.Module, config: Config, layers: dict[str, LoRALinear]) -> dict[str, Any]:
    """adapter_config.json for these layers, as plain LoRA or DoRA of the rank that each layer's
    export has: r, or 2 r where it has a frozen pair, and more where its variant adds columns."""
    rank = {name: layer.exported().A.shape[0] for name, layer in layers.items()}
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
        "task_type": None,
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


def target_names(model: nn.Module, layers: Collection[str]) -> list[str] | str:
    """The full names, or a regular expression of them where a name also ends another layer's."""
    names = tuple(layers)
    if any(matches(names, name) and name not in layers for name, _ in model.named_modules()):
        return "|".join(re.escape(name) for name in names)
    return list(names)


def from_peft(text: bytes, model: nn.Module) -> tuple[Config, bool]:
    """The config of an adapter that PEFT saved, and whether its initial B A was subtracted from the
    base weight.

    Raises ValueError for malformed JSON, another method than LoRA, or an option that is not
    supported here.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ValueError(f"adapter_config.json is not JSON: {error}") from error
    if not isinstance(values, dict) or values.get("peft_type") != "LORA":
        found = values.get("peft_type") if isinstance(values, dict) else values
        raise ValueError(f'adapter_config.json must have "peft_type": "LORA", got {found!r}')
    for option, neutral in NEUTRAL.items():
        if values.get(option, neutral[0]) not in neutral:
            raise ValueError(f"adapter_config.json: {option} = {values[option]!r} is not supported")
    initialization = values.get("init_lora_weights", True)
    if initialization != "pissa" and initialization not in SCHEME_OF:
        raise ValueError(
            f"adapter_config.json: init_lora_weights = {initialization!r} changed the base weight; "
            "let PEFT convert the adapter to plain LoRA when saving "
            "(path_initial_model_for_weight_conversion)"
        )
    here = [name for name, _ in model.named_modules()]
    saved = [
        end
        for end in values.get("modules_to_save") or ()
        if any(matches((end,), name) for name in here)
    ]
    config = Config(
        rank=values["r"],
        alpha=values["lora_alpha"],
        target_modules=values["target_modules"],
        exclude_modules=values.get("exclude_modules") or (),
        modules_to_save=tuple(saved),  # PEFT also lists heads that this model does not have
        scheme=SCHEME_OF.get(initialization, "pissa"),
        variant="dora" if values.get("use_dora") else "plain",
        rank_stabilized=bool(values.get("use_rslora")),
        dropout=values.get("lora_dropout", 0.0),
        rank_pattern=_matching(values.get("rank_pattern"), here),
        alpha_pattern=_matching(values.get("alpha_pattern"), here),
        tie=True,  # PEFT adapts a tied layer alone
    )
    return config, initialization == "pissa"


def _matching(pattern: dict[str, Any] | None, names: list[str]) -> dict[str, Any]:
    """The entries that mean some module of this model; PEFT ignores the others too."""
    return {
        key: value
        for key, value in (pattern or {}).items()
        if any(pattern_matches(key, name) for name in names)
    }
