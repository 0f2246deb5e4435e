"""A config from the adapter_config.json of an adapter that PEFT saved."""

import warnings
from collections.abc import Sequence
from typing import Any

from lora.config import Config
from lora.kinds import (
    BOOL,
    INT,
    NAME,
    NON_NEGATIVE_INT,
    POSITIVE,
    POSITIVE_INT,
    PROBABILITY,
    STRING,
    Kind,
    check,
    either,
    listed,
    named,
    optional,
    parsed,
    shown,
)
from lora.patterns import has_choices, matches, pattern_matches, suggestion
from lora.peft_config.names import exactly_these

MODULES = either(STRING, listed(NAME))
# PEFT options that change the computed function, with the values under which they do not.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "alora_invocation_tokens": (None,),
    "arrow_config": (None,),
    "bias": ("none",),
    "ensure_weight_tying": (False,),
    "kasa_config": (None,),
    "layer_replication": (None, []),
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


# What the others must be that are read here; these three always stand in what PEFT saves.
REQUIRED = {"r": POSITIVE_INT, "lora_alpha": POSITIVE, "target_modules": MODULES}
KINDS: dict[str, Kind] = REQUIRED | {
    "exclude_modules": optional(MODULES),
    "init_lora_weights": either(BOOL, STRING),
    "layers_pattern": optional(MODULES),
    "layers_to_transform": optional(either(INT, listed(INT))),
    "lora_dropout": PROBABILITY,
    "modules_to_save": optional(listed(NAME)),
    "rank_pattern": optional(named(NON_NEGATIVE_INT)),
    "alpha_pattern": optional(named(POSITIVE)),
    "use_dora": optional(BOOL),
    "use_rslora": optional(BOOL),
}
# The rest of what PEFT writes, which does not change what the saved factors compute.
OTHERS = {
    "auto_mapping",
    "base_model_name_or_path",
    "corda_config",
    "eva_config",
    "fan_in_fan_out",
    "inference_mode",
    "loftq_config",
    "lora_ga_config",
    "megatron_config",
    "megatron_core",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "task_type",
}


def from_peft(text: bytes, names: Sequence[str]) -> tuple[Config, bool]:
    """The config of an adapter that PEFT saved, and whether its initial B A was subtracted from the
    base weight.

    Args:
        text: adapter_config.json.
        names: of the modules of the base model.

    Raises: ValueError for malformed JSON, another method than LoRA, a setting that is missing or
        impossible, or an option that is not supported here.
    """
    values = parsed(text, "it")
    if values.get("peft_type") != "LORA":
        raise ValueError(f'it must have "peft_type": "LORA", got {shown(values.get("peft_type"))}')
    _check_settings(values)
    initialization = values.get("init_lora_weights", True)
    if initialization != "pissa" and initialization not in SCHEME_OF:
        raise ValueError(
            f"init_lora_weights = {shown(initialization)} changed the base weight; let PEFT "
            "convert the adapter to plain LoRA when saving "
            "(path_initial_model_for_weight_conversion)"
        )
    saved = [
        end
        for end in values.get("modules_to_save") or ()
        if any(matches((end,), name) for name in names)
    ]
    config = Config(
        rank=values["r"],
        alpha=values["lora_alpha"],
        target_modules=_targets(values, names),
        exclude_modules=values.get("exclude_modules") or (),
        modules_to_save=tuple(saved),  # PEFT also lists heads that this model does not have
        scheme=SCHEME_OF.get(initialization, "pissa"),
        variant="dora" if values.get("use_dora") else "plain",
        rank_stabilized=bool(values.get("use_rslora")),
        dropout=values.get("lora_dropout", 0.0),
        rank_pattern=_matching("rank_pattern", values, names),
        alpha_pattern=_matching("alpha_pattern", values, names),
        tie=True,  # PEFT adapts a tied layer alone
    )
    return config, initialization == "pissa"


def _check_settings(values: dict[str, Any]) -> None:
    for key, kind in REQUIRED.items():
        if key not in values:
            hint = suggestion(key, tuple(values.keys() - KINDS.keys() - NEUTRAL.keys() - OTHERS))
            raise ValueError(f"it lacks {key}, which must be {kind.requirement}{hint}")
    for key in values.keys() & KINDS.keys():
        check(key, values[key], KINDS[key])
    for key, neutral in NEUTRAL.items():
        if values.get(key, neutral[0]) not in neutral:
            raise ValueError(f"{key} = {shown(values[key])} is not supported")
    known = (*KINDS, *NEUTRAL, *OTHERS)
    for key in sorted(values.keys() - set(known)):
        if values[key] not in (None, False, [], {}):
            warnings.warn(
                f"{key} = {shown(values[key])} in adapter_config.json is not known and "
                f"ignored{suggestion(key, known)}",
                stacklevel=5,
            )


def _targets(values: dict[str, Any], names: Sequence[str]) -> Any:
    """target_modules, of which layers_to_transform leaves those inside layers of these indices, and
    those that are named in full."""
    ends, indices = values["target_modules"], values.get("layers_to_transform")
    if indices is None or indices == []:
        return ends
    holders = values.get("layers_pattern") or ()
    holders = (holders,) if isinstance(holders, str) else tuple(holders)
    if isinstance(ends, str):
        raise ValueError("layers_to_transform needs a list of names as target_modules, as in PEFT")
    for holder in holders:
        if has_choices(holder):
            raise ValueError(f"layers_pattern must hold names of module lists, got {shown(holder)}")
    indices = [indices] if isinstance(indices, int) else indices
    wanted = [
        name
        for name in names
        if name in ends or (matches(tuple(ends), name) and _layer_index(name, holders) in indices)
    ]
    if not wanted:
        raise ValueError(f"layers_to_transform = {shown(indices)} leaves no layer of the model")
    return exactly_these(wanted, names)


def _layer_index(name: str, holders: tuple[str, ...]) -> int | None:
    """The first number among the parts of a name that follows a module list of one of these names,
    or, where there are none, any part but the first; the last part is no layer's index."""
    parts = name.split(".")
    numbers = [i for i, part in enumerate(parts[:-1]) if part.isdecimal()]
    if not holders:
        return next((int(parts[i]) for i in numbers if i >= 2), None)
    for holder in holders:
        for i in numbers:
            if i and matches(rf"(?:.*\.)?(?:{holder})", ".".join(parts[:i])):
                return int(parts[i])
    return None


def _matching(where: str, values: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The entries that mean some module of this model; PEFT ignores the others too."""
    pattern = values.get(where) or {}
    try:
        return {
            key: value
            for key, value in pattern.items()
            if any(pattern_matches(key, name) for name in names)
        }
    except ValueError as error:
        raise ValueError(f"{where} has a key that is {error}") from error
