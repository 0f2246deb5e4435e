"""Any scheme on a model that PEFT has already adapted.

PEFT's `update_layer` would draw numbers, and takes other arguments in each minor version: its
layers are written through the weights of `lora_A` and `lora_B`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lora.config import Config
from lora.copies import own
from lora.initialization import initial_factors, prepare
from lora.model import replace_modules
from lora.patterns import suggestion
from lora.peft_adapter import PeftAdapter, find_adapter
from lora.peft_config import target_names
from lora.ranks import Sharing, exactly
from lora.report import LayerReport, Report, numbers
from lora.schemes import SCHEMES, Factors
from lora.statistics import Statistics


def initialize_peft(
    peft_model: nn.Module,
    scheme: str,
    batches: Iterable[Any] | None = None,
    loss_fn: Callable[[nn.Module, Any], Tensor] | None = None,
    seed: int = 0,
    *,
    stats: Mapping[str, Statistics] | None = None,
    **options: Any,
) -> Report:
    """Initialize the active LoRA adapter of a model by any scheme with B A = 0, in place.

    The model is a peft.PeftModel, or one that got its layers from transformers' `add_adapter` or
    peft's `inject_adapter_in_model`. Call it before you build the optimiser. The numbers are those
    of `lora.attach` with the same seed. On any error the model is exactly as before. Needs the
    extra `loralab[llm]`.

    Every linear layer of the adapter is initialized, also with DoRA and on a quantised base. What
    else PEFT adapts (embeddings, convolutions, the parameters of experts) keeps its own
    initialization and is in the report as skipped.

    With `rho` PEFT's ranks are the ones asked for, and are shared out anew. Every scale stays what
    it was, and a layer of rank 0 loses its adapter. PEFT's config is changed to match, so that
    `save_pretrained` and PEFT's own loading keep it all.

    Args:
        peft_model: the model; its active adapter must be newly initialized LoRA.
        scheme: a row of `lora.SCHEMES` with B A = 0.
        batches: probe batches, as for `lora.attach`.
        loss_fn: loss_fn(model, batch), as for `lora.attach`.
        seed: as `lora.Config.seed`.
        stats: from `lora.collect`, in place of batches, by the layers' names in the model that PEFT
            wraps.
        options: those of the scheme and of rank sharing.

    Returns: the report that `lora.attach` would give.
    Raises: ValueError, naming the layer, before any batch is read, for a scheme that starts at
        B A != 0, which PEFT could carry only by changing the base weight (use `lora.attach`); for
        an adapter whose own initialization changed the base weight, or that has been trained or
        merged; for a quantised layer that cannot be read; and for `rho` beside another adapter.
    """
    if not isinstance(scheme, str) or scheme not in SCHEMES:
        known = tuple(SCHEMES)
        hint = suggestion(str(scheme), known) or f"; known: {', '.join(known)}"
        raise ValueError(f"unknown scheme {scheme!r}{hint}")
    if not SCHEMES[scheme].zero_product:
        raise ValueError(
            f"{scheme} starts at B A != 0, which PEFT carries only by changing the base weight; "
            "use lora.attach and lora.save, whose adapter PEFT loads"
        )
    adapter, model = find_adapter(peft_model), peft_model
    layers, name = adapter.layers, adapter.name
    config = asked = _config(adapter, scheme, options, seed)
    if Sharing.of(config).rho != 1 and not adapter.alone:
        raise ValueError(
            "rho may take layers off, so it needs the model's only adapter, and it has others "
            f"beside {name!r}"
        )
    bases = {key: layer.get_base_layer() for key, layer in layers.items()}
    config, statistics = prepare(model, bases, config, batches, loss_fn, stats)
    initial = {
        key: _initial(config, key, layers[key], name, statistics)
        for key in layers
        if config.rank_of(key)
    }
    # from here on nothing is computed, so nothing can fail half-way
    for key, factors in initial.items():
        _write(
            layers[key],
            name,
            factors,
            config.alpha_of(key),
            config.scale_of(key, config.rank_of(key)),
        )
    if lost := {layers[key]: bases[key] for key in layers if key not in initial}:
        replace_modules(model, lost)
    if config != asked:
        _record(adapter, config, initial, targets=bool(lost))
    rows = tuple(
        LayerReport(key, (len(B), A.shape[1]), len(A), layers[key].scaling[name], "PEFT's")
        for key, (B, A) in initial.items()
    )
    skipped = {key: "rank 0" for key in layers if key not in initial} | adapter.kept()
    sizes = [(numbers(p), p.requires_grad) for p in model.parameters()]
    return Report(
        scheme,
        "dora" if adapter.config.use_dora else "plain",
        rows,
        skipped,
        sum(n for n, trains in sizes if trains),
        sum(n for n, _ in sizes),
    )


def _config(adapter: PeftAdapter, scheme: str, options: dict[str, Any], seed: int) -> Config:
    """Our config for the ranks and scales that the layers have. Raises ValueError where these are
    impossible."""
    layers, name, theirs = adapter.layers, adapter.name, adapter.config
    return Config(
        rank=theirs.r,
        alpha=theirs.lora_alpha,
        target_modules=tuple(layers),
        scheme=scheme,
        scheme_options=options,
        rank_stabilized=bool(theirs.use_rslora),
        seed=seed,
        rank_pattern=exactly({key: layer.r[name] for key, layer in layers.items()}),
        alpha_pattern=exactly({key: layer.lora_alpha[name] for key, layer in layers.items()}),
    )


def _record(
    adapter: PeftAdapter, config: Config, initial: Mapping[str, Factors], targets: bool
) -> None:
    """Write the new ranks and scales into PEFT's config and, where layers lost their adapter, the
    names of the others."""
    theirs, name, left = adapter.config, adapter.name, adapter.left
    ranks = {key: config.rank_of(key) for key in initial}
    alphas: dict[str, float] = {key: config.alpha_of(key) for key in initial}
    ranks |= {key: layer.r[name] for key, layer in left.items()}
    alphas |= {key: layer.lora_alpha[name] for key, layer in left.items()}
    theirs.rank_pattern = exactly({key: rank for key, rank in ranks.items() if rank != theirs.r})
    theirs.alpha_pattern = exactly(
        {key: alpha for key, alpha in alphas.items() if alpha != theirs.lora_alpha}
    )
    if targets:
        modules = [key for key, _ in adapter.model.named_modules() if key in left]
        names = target_names(adapter.model, [*initial, *modules])
        theirs.target_modules = names if isinstance(names, str) else set(names)
        if isinstance(names, str):  # PEFT wants a regular expression alone
            theirs.layers_to_transform = theirs.layers_pattern = None


def _initial(
    config: Config, key: str, layer: Any, name: str, statistics: Mapping[str, Statistics]
) -> Factors:
    """The initial factors of one layer, in the type and on the device of PEFT's, and in their own
    memory."""
    try:
        scheme, base = SCHEMES[config.scheme], layer.get_base_layer()
        factors = initial_factors(scheme, config, key, base, statistics.get(key))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{key}: {error}") from error
    B, A = factors
    return Factors(own(B.to(layer.lora_B[name].weight)), own(A.to(layer.lora_A[name].weight)))


def _write(layer: Any, name: str, factors: Factors, alpha: float, scale: float) -> None:
    A, B, rank = layer.lora_A[name], layer.lora_B[name], len(factors.A)
    if layer.r[name] == rank:
        with torch.no_grad():
            A.weight.copy_(factors.A)
            B.weight.copy_(factors.B)
        return
    for linear, factor in ((A, factors.A), (B, factors.B)):
        linear.weight = nn.Parameter(factor, requires_grad=linear.weight.requires_grad)
    A.out_features = B.in_features = layer.r[name] = rank
    layer.lora_alpha[name], layer.scaling[name] = alpha, scale
