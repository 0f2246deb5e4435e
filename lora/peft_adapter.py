"""The LoRA adapter that PEFT put into a model: found, and checked to be one that can be
initialized.

PEFT's layers are read by what every version of it has: `r`, `lora_alpha`, `scaling`, and the
weights of `lora_A` and `lora_B`.
"""

from dataclasses import dataclass
from typing import Any

from torch import nn

from lora.bases import base_of, check_ready, find_base, obstacle
from lora.obstacles import check_model, packer

NEUTRAL = ("gaussian", "eva")
"""PEFT's initializations with B = 0 that leave the base weight as it was."""

VARIANTS = ("ALoraLinearVariant", "DoraLinearVariant", "VeloraLinearVariant")
"""PEFT's variants whose output does not depend on A while B = 0, nor on B while A = 0."""


@dataclass(frozen=True)
class PeftAdapter:
    """The one active adapter of a model.

    Args:
        name: PEFT's.
        config: its peft.LoraConfig.
        model: the model that its layers are in, without PEFT's wrapper.
        layers: PEFT's layers on linear ones, by their name in that model.
        left: PEFT's other layers, by the name of the module or parameter that they adapt.
        alone: whether the model has no other adapter.
    """

    name: str
    config: Any
    model: nn.Module
    layers: dict[str, Any]
    left: dict[str, Any]
    alone: bool

    def kept(self) -> dict[str, str]:
        """Why each of the other layers is left alone."""
        return {
            key: f"{_adapted(layer)}, which keeps PEFT's own initialization"
            for key, layer in self.left.items()
        }


def find_adapter(model: Any) -> PeftAdapter:
    """The active adapter of a peft.PeftModel, or of a model into which PEFT put layers without it
    (transformers' `add_adapter`, peft's `inject_adapter_in_model`).

    Raises ValueError, naming the layer, for any that cannot be initialized.
    """
    try:
        import peft
        from peft.tuners import lora
        from peft.tuners.tuners_utils import BaseTunerLayer
    except ImportError as error:
        raise ImportError("initialize_peft needs peft: pip install 'loralab[llm]'") from error
    check_model(model)
    wrapped = isinstance(model, peft.PeftModel)
    inner: Any = model.get_base_model() if wrapped else model
    found = {
        key: module for key, module in inner.named_modules() if isinstance(module, BaseTunerLayer)
    }
    if not (wrapped or found):
        raise ValueError(
            "the model must be a peft.PeftModel, or carry PEFT's layers without it, got "
            f"{type(model).__name__}; for others use lora.attach"
        )
    active = (
        list(model.active_adapters)
        if wrapped
        else list(dict.fromkeys(name for layer in found.values() for name in layer.active_adapters))
    )
    if len(active) != 1:
        raise ValueError(f"exactly one adapter must be active, got {active}")
    (name,) = active
    configs = model.peft_config
    config: Any = configs[name]
    if config.peft_type != peft.PeftType.LORA:
        raise ValueError(
            f"the active adapter must be LoRA, got {type(config).__name__}; make one by "
            "peft.LoraConfig"
        )
    theirs = config.init_lora_weights
    if isinstance(theirs, str) and theirs not in NEUTRAL:
        raise ValueError(
            f"the adapter was made with init_lora_weights={theirs!r}, so more than its two factors "
            "would have to change; make it with init_lora_weights=True"
        )
    layers, left = {}, {}
    for key, layer in found.items():
        if not isinstance(layer, lora.LoraLayer) or name not in layer.r:
            continue
        if layer.merged:
            raise ValueError(f"{key} is merged; call unmerge_adapter() first")
        if isinstance(layer, lora.layer.ParamWrapper):
            left[f"{key.removesuffix('.base_layer')}.{layer.parameter_name}"] = layer
        elif _linear(layer, key, name, config):
            _check_untrained(layer, key, name)
            layers[key] = layer
        else:
            left[key] = layer
    if not layers:
        names = ", ".join(left)
        raise ValueError(
            f"the adapter {name!r} has no linear layer to initialize"
            + (f"; it adapts {names}, which keep PEFT's own initialization" if names else "")
        )
    return PeftAdapter(name, config, inner, layers, left, len(configs) == 1)


def _linear(layer: Any, key: str, name: str, config: Any) -> bool:
    """Whether the factors are those of a linear layer, and of no other layer too.

    Raises ValueError for a linear layer whose weight cannot be read.
    """
    base = layer.get_base_layer()
    # an adapted head of a model with tied embeddings may share the embedding's factors
    tied = key.rsplit(".", 1)[-1] in (getattr(config, "target_modules_to_tie", None) or ())
    if name not in layer.lora_A or tied:
        return False
    known = find_base(base)
    if known is None and packer(base):
        base_of(base, key)
    if known is None or known.reads_ids or obstacle(base):
        return False
    check_ready(base, key)
    return True


def _check_untrained(layer: Any, key: str, name: str) -> None:
    A, B = layer.lora_A[name].weight, layer.lora_B[name].weight
    variant = layer.lora_variant.get(name)
    if variant is not None and type(variant).__name__ not in VARIANTS:
        raise ValueError(
            f"{key}: PEFT's {type(variant).__name__} has more to initialize than two factors; only "
            "plain LoRA and DoRA can be initialized"
        )
    if A.is_meta or B.is_meta:
        raise ValueError(
            f"{key}: its factors are on the meta device; make the adapter with "
            "low_cpu_mem_usage=False"
        )
    if B.any() and A.any():
        raise ValueError(
            f"{key}: B A is not zero, so the adapter has been trained; use a newly initialized one"
        )


def _adapted(layer: Any) -> str:
    parameter = getattr(layer, "parameter_name", None)
    return "a parameter" if parameter else type(layer.get_base_layer()).__name__
