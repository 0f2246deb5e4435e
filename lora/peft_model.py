"""Any scheme on a model that PEFT has already wrapped."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from lora.bases import is_dense_linear, weight_of
from lora.collect import collect
from lora.model import generator
from lora.report import LayerReport, Report
from lora.schemes import SCHEMES, Factors


def initialize_peft(
    peft_model: nn.Module,
    scheme: str,
    batches: Iterable[Any] | None = None,
    loss_fn: Callable[[nn.Module, Any], Tensor] | None = None,
    seed: int = 0,
    **options: Any,
) -> Report:
    """Give the active LoRA adapter of a peft.PeftModel the start of a scheme, in place, before its optimiser is built.

    The numbers are those of `lora.attach` with the same seed. Ranks and scales stay as PEFT set them. `options` are
    the scheme's; `batches` and `loss_fn` as for `lora.attach`. On any error the model is left exactly as it was.

    Raises ValueError, naming the layer, for a start with B A != 0: PEFT could carry it only by changing the base
    weight, which `lora.attach` need not; for an adapter whose own start did change it, or that has been trained; and
    for a layer of another kind than Linear or Conv1D. Needs the extra `loralab[llm]`.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"unknown scheme {scheme!r}; known: {', '.join(SCHEMES)}")
    if "rho" in options:
        raise ValueError("rho redistributes ranks, which PEFT has fixed; use lora.attach, whose adapter PEFT loads")
    row, layers, name = SCHEMES[scheme], *_adapted(peft_model)
    stats = {}
    if row.needs in ("inputs", "gradient"):
        if batches is None:
            raise ValueError(f"scheme {scheme!r} needs batches")
        bases = {key: layer.get_base_layer() for key, layer in layers.items()}
        stats = collect(peft_model, bases, batches, row.needs, loss_fn)
    starts: dict[str, Factors] = {}
    for key, layer in layers.items():
        W = weight_of(layer.get_base_layer()).detach()
        W = W.to(torch.promote_types(W.dtype, torch.float32))
        settings = {"scale": layer.scaling[name], **options}
        try:
            starts[key] = row(W, layer.r[name], generator(seed, key), stats.get(key), **settings)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{key}: {error}") from error
        if starts[key].B.any() and starts[key].A.any():
            raise ValueError(
                f"{key}: {scheme} starts at B A != 0, which PEFT carries only by changing the base weight; "
                "use lora.attach and lora.save, whose adapter PEFT loads"
            )
    with torch.no_grad():
        for key, (B, A) in starts.items():
            layers[key].lora_B[name].weight.copy_(B)
            layers[key].lora_A[name].weight.copy_(A)
    rows = tuple(
        LayerReport(key, (len(starts[key].B), starts[key].A.shape[1]), layer.r[name], layer.scaling[name], "PEFT's")
        for key, layer in layers.items()
    )
    sizes = [(p.numel(), p.requires_grad) for p in peft_model.parameters()]
    return Report(scheme, "plain", rows, {}, sum(n for n, trains in sizes if trains), sum(n for n, _ in sizes))


def _adapted(peft_model: nn.Module) -> tuple[dict[str, Any], str]:
    """PEFT's LoRA layers by their name in the wrapped model, and the name of the adapter that is active on them."""
    try:
        import peft
    except ImportError as error:
        raise ImportError("initialize_peft needs peft: pip install 'loralab[llm]'") from error
    if not isinstance(peft_model, peft.PeftModel):
        kind = type(peft_model).__name__
        raise ValueError(f"the model must be a peft.PeftModel, got {kind}; for others use lora.attach")
    model: Any = peft_model  # PEFT's own annotations say less than it holds
    name, config = model.active_adapter, model.peft_config[model.active_adapter]
    if not isinstance(config, peft.LoraConfig):
        raise ValueError(f"the active adapter must be LoRA, got {type(config).__name__}")
    start = config.init_lora_weights
    if config.use_dora or (isinstance(start, str) and start not in NEUTRAL):
        what = "use_dora" if config.use_dora else f"init_lora_weights={start!r}"
        raise ValueError(f"the adapter was made with {what}, which changed more than its two factors")
    found: dict[str, Any] = {}
    for key, module in model.get_base_model().named_modules():
        if isinstance(module, peft.tuners.lora.LoraLayer) and name in module.r:
            layer: Any = module
            if not is_dense_linear(base := layer.get_base_layer()):
                raise ValueError(f"{key} adapts a {type(base).__name__}, which is not supported")
            if layer.lora_B[name].weight.any() and layer.lora_A[name].weight.any():
                raise ValueError(f"{key}: B A is not zero, so the adapter has been trained; start from a fresh one")
            found[key] = layer
    if not found:
        raise ValueError(f"the model has no LoRA layer of the adapter {name!r}")
    return found, name


NEUTRAL = ("gaussian", "eva")
"""PEFT's starts with B = 0 on the base weight as it was."""
