"""Any scheme on a model that PEFT has already wrapped.

PEFT's layers are read and written by what every version of it has: `r`, `lora_alpha`, `scaling`,
and the weights of `lora_A` and `lora_B`. Its `update_layer` would draw numbers, and takes other
arguments in each minor version.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lora.bases import is_dense_linear
from lora.config import Config
from lora.initialization import initial_factors, prepare
from lora.layer import own
from lora.model import replace_modules
from lora.peft_config import target_names
from lora.ranks import Sharing, exactly
from lora.report import LayerReport, Report
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
    """Initialize the active LoRA adapter of a peft.PeftModel by any scheme, in place.

    Call it before you build the optimiser. The numbers are those of `lora.attach` with the same
    seed. On any error the model is exactly as before. Needs the extra `loralab[llm]`.

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
    Raises: ValueError, naming the layer, for a scheme that starts at B A != 0, which PEFT could
        carry only by changing the base weight (use `lora.attach`); for an adapter whose own
        initialization changed the base weight, or that has been trained or merged; for a layer of
        another kind than Linear or Conv1D; and for `rho` beside another adapter.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"unknown scheme {scheme!r}; known: {', '.join(SCHEMES)}")
    model: Any = peft_model  # PEFT's own annotations say less than it holds
    theirs, layers, name = _adapted(model)
    config = asked = _config(theirs, layers, name, scheme, options, seed)
    if Sharing.of(config).rho != 1 and len(every := model.peft_config) > 1:
        raise ValueError(
            "rho may take layers off, so it needs the model's only adapter; it has "
            f"{', '.join(every)}"
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
        names = target_names(model.get_base_model(), initial)
        theirs.target_modules = names if isinstance(names, str) else set(names)
    if config != asked:
        ranks, alphas = (
            {key: of(key) for key in initial} for of in (config.rank_of, config.alpha_of)
        )
        theirs.rank_pattern = exactly(
            {key: rank for key, rank in ranks.items() if rank != theirs.r}
        )
        theirs.alpha_pattern = exactly(
            {key: alpha for key, alpha in alphas.items() if alpha != theirs.lora_alpha}
        )
    rows = tuple(
        LayerReport(key, (len(B), A.shape[1]), len(A), layers[key].scaling[name], "PEFT's")
        for key, (B, A) in initial.items()
    )
    skipped = {key: "rank 0" for key in layers if key not in initial}
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return Report(
        scheme,
        "plain",
        rows,
        skipped,
        sum(n for n, trains in sizes if trains),
        sum(n for n, _ in sizes),
    )


def _adapted(model: Any) -> tuple[Any, dict[str, Any], str]:
    """The config of the active adapter, PEFT's layers of it by their name in the wrapped model, and
    its own name."""
    try:
        import peft
    except ImportError as error:
        raise ImportError("initialize_peft needs peft: pip install 'loralab[llm]'") from error
    if not isinstance(model, peft.PeftModel):
        kind = type(model).__name__
        raise ValueError(
            f"the model must be a peft.PeftModel, got {kind}; for others use lora.attach"
        )
    if len(model.active_adapters) != 1:
        raise ValueError(f"exactly one adapter must be active, got {model.active_adapters}")
    (name,) = model.active_adapters
    config = model.peft_config[name]
    if not isinstance(config, peft.LoraConfig):
        raise ValueError(f"the active adapter must be LoRA, got {type(config).__name__}")
    theirs = config.init_lora_weights
    if config.use_dora or (isinstance(theirs, str) and theirs not in NEUTRAL):
        what = "use_dora" if config.use_dora else f"init_lora_weights={theirs!r}"
        raise ValueError(
            f"the adapter was made with {what}, so more than its two factors would have to "
            "change; make a plain LoRA adapter with init_lora_weights=True"
        )
    found: dict[str, Any] = {}
    for key, module in model.get_base_model().named_modules():
        if isinstance(module, peft.tuners.lora.LoraLayer) and name in module.r:
            layer: Any = module
            if name not in layer.lora_A or not is_dense_linear(layer.get_base_layer()):
                kind = type(layer.get_base_layer()).__name__
                raise ValueError(
                    f"{key} adapts a layer of type {kind}; only Linear and Conv1D can be "
                    "initialized"
                )
            if layer.merged:
                raise ValueError(f"{key} is merged; call unmerge_adapter() first")
            if layer.lora_B[name].weight.any() and layer.lora_A[name].weight.any():
                raise ValueError(
                    f"{key}: B A is not zero, so the adapter has been trained; use a newly "
                    "initialized one"
                )
            found[key] = layer
    if not found:
        raise ValueError(f"the model has no LoRA layer of the adapter {name!r}")
    return config, found, name


NEUTRAL = ("gaussian", "eva")
"""PEFT's initializations with B = 0 that leave the base weight as it was."""


def _config(
    theirs: Any, layers: dict[str, Any], name: str, scheme: str, options: dict[str, Any], seed: int
) -> Config:
    """Our config for the ranks and scales that the layers have. Raises ValueError where these are
    impossible."""
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
    if factors.frozen():
        raise ValueError(
            f"{key}: {config.scheme} starts at B A != 0, which PEFT carries only by changing the "
            "base weight; use lora.attach and lora.save, whose adapter PEFT loads"
        )
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
