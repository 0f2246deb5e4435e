"""Adapters on a whole model: attach, list, merge and detach them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from lora import four_bits
from lora.config import Config
from lora.initialization import initial_factors, layer_rng, prepare
from lora.joint import Joint
from lora.kinds import about
from lora.layer import LoRALinear
from lora.obstacles import check_model
from lora.processes import copy_first
from lora.report import Report, report_of
from lora.schemes import SCHEMES, Factors
from lora.statistics import Statistics
from lora.targets import saved_modules, targets, tied, with_a_rank
from lora.variants import VARIANTS

STATE = "_lora_attached"
STACKED = "_lora_stacked"  # of `lora.stack`


@dataclass
class Attached:
    """What `attach` did to a model, stored on the model itself so that a copy of it has it too."""

    config: Config
    required_grad: dict[str, bool]  # of every parameter before
    originals: dict[str, Tensor]  # values of the modules_to_save before
    tied: tuple[str, ...]  # adapted layers whose weight another module holds too
    disabled: bool = False  # within `lora.disabled`
    hooks: list[Any] = field(default_factory=list)  # handles of what `lora.joint` hooks
    held: tuple[str, ...] = ()  # layers of four bits that no forward may pack anew


def attach(
    model: nn.Module,
    config: Config,
    batches: Iterable[Any] | None = None,
    loss_fn: Callable[[nn.Module, Any], Tensor] | None = None,
    *,
    stats: Mapping[str, Statistics] | None = None,
    **collecting: Any,
) -> Report:
    """Put an adapter on every target layer, in place. On any error the model is exactly as before.

    Everything is frozen but the adapters and `config.modules_to_save`.

    The model's own `save_pretrained`, where it has one, then writes the adapter. So attach to the
    model that you will save and give to a Trainer, not to a part of it.

    Args:
        model: the model, without adapters.
        config: what to adapt and how.
        batches: probe batches (dicts, tensors or tuples), for schemes that need inputs or
            gradients; the others do not read them.
        loss_fn: loss_fn(model, batch), for schemes that need gradients.
        stats: what `lora.collect` gave for the adapted layers at least, in place of batches:
            several schemes then share one pass.
        collecting: keywords of `lora.collect` for the pass over the batches.

    Returns: what was adapted and what was skipped, layer by layer.
    Raises: ValueError naming the layer, the value and the requirement.

    Where torch.distributed is initialized every process calls this, for a data-driven scheme with
    batches of its own. Their statistics are added up, and every process takes the initial factors
    of the first. A base model that fully_shard has sharded stays so, and its weights are gathered
    one at a time. The adapters are whole on every process, and fully_shard does not know them, so
    you average their gradients yourself (or put DistributedDataParallel on top).
    """
    check_bare(model)
    found, skipped = targets(model, config)
    config, statistics = prepare(model, found, config, batches, loss_fn, stats, **collecting)

    def build(name: str, module: nn.Module) -> LoRALinear:
        scheme = SCHEMES[config.scheme]
        factors = initial_factors(scheme, config, name, module, statistics.get(name))
        if statistics:
            copy_first(*factors)
        return build_layer(config, name, module, factors, factors.frozen())

    return install(model, config, *with_a_rank(found, skipped, config), build)


def check_bare(model: nn.Module) -> None:
    check_model(model)
    if STATE in vars(model):
        raise ValueError("the model carries adapters already; call lora.detach(model) first")
    if STACKED in vars(model):
        raise ValueError("the model carries stacked trials; call detach() of the stack first")
    four_bits.check(model)


def build_layer(
    config: Config, name: str, module: nn.Module, factors: Factors, frozen: Factors | None
) -> LoRALinear:
    """The layer around `module` by the config's settings, in the module's train or eval mode.

    Args:
        config: the variant, its options and the scale.
        name: the layer's, whose random stream serves the variants that draw further numbers.
        module: the base layer.
        factors: the initial B (out, r) and A (r, in).
        frozen: the pair (B0, A0), needed where B A is not zero.
    """
    variant: Any = VARIANTS[config.variant]
    rng = layer_rng(config.seed, f"{name}/{config.variant}")
    scale = config.scale_of(name, len(factors.A))
    settings = (scale, frozen, config.dropout, config.train_a, config.train_b)
    return variant(module, factors, *settings, rng=rng, options=config.options()).train(
        module.training
    )


def install(
    model: nn.Module,
    config: Config,
    found: dict[str, nn.Module],
    skipped: dict[str, str],
    build: Callable[[str, nn.Module], LoRALinear],
) -> Report:
    """Build every layer that `targets` found, and only when all are built put them into the model.

    Args:
        model: the model, without adapters.
        config: the config that is stored on the model.
        found: the base layers by name.
        skipped: for the report, every other layer with the reason.
        build: build(name, module) gives the adapted layer.

    Raises: ValueError naming the layer that cannot be built.
    """
    layers: dict[nn.Module, LoRALinear] = {}
    for name, module in found.items():
        try:
            layers[module] = build(name, module)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{name}: {error}") from error
    saved = saved_modules(model, config)
    state = Attached(
        config,
        {
            name: parameter.requires_grad
            for name, parameter in model.named_parameters(remove_duplicate=False)
        },
        {
            f"{name}.{key}": value.clone()
            for name, module in saved.items()
            for key, value in module.state_dict().items()
        },
        tuple(tied(model, found)) if config.tie else (),  # `targets` refuses them otherwise
        held=four_bits.hold(model),
    )
    model.requires_grad_(False)
    for module in saved.values():
        module.requires_grad_(True)
    replace_modules(model, layers)
    _keep_forwards(model)
    state.hooks = Joint(list(layers.values())).hook(model)
    setattr(model, STATE, state)
    from lora import pretrained  # which imports this module

    pretrained.take_over(model)
    return report_of(model, config, adapters(model), skipped)


def replace_modules(model: nn.Module, new: dict[nn.Module, Any]) -> None:
    """Swap modules wherever the model holds them: a module may be shared by several parents."""
    for parent in [module for module in model.modules() if not isinstance(module, LoRALinear)]:
        for key, child in parent._modules.items():
            if child in new:
                setattr(parent, key, new[child])


def _keep_forwards(model: nn.Module) -> None:
    """Have nn.TransformerEncoderLayer call its adapted layers: in eval mode it would read their
    weights past them, but not while one of its modules has a hook."""
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoderLayer):
            for child in module.children():
                if isinstance(child, LoRALinear):
                    child.register_forward_pre_hook(_no_change)


def _no_change(*_: Any) -> None:
    pass


def attached(model: nn.Module) -> Attached:
    """What `attach` left on the model.

    Raises ValueError when it carries no adapter, or its adapters are disabled for the moment.
    """
    state = state_of(model)
    if state.disabled:
        raise ValueError("the adapters are disabled: leave `with lora.disabled(model)` first")
    return state


def state_of(model: nn.Module) -> Attached:
    """The same, also within `lora.disabled`."""
    state = vars(model).get(STATE)
    if state is None:
        raise ValueError("the model carries no adapter; call lora.attach(model, config) first")
    return state


def adapters(model: nn.Module) -> dict[str, LoRALinear]:
    """The adapted layers by name, in the model's order; empty when there is none."""
    return {
        name: module for name, module in model.named_modules() if isinstance(module, LoRALinear)
    }


def merge(model: nn.Module, keep_base: bool = True) -> None:
    """Give every layer a merged copy of its weight, W + s (B A - B0 A0).

    Args:
        model: a model with adapters.
        keep_base: keep the originals aside for `unmerge`; False frees their memory.

    Raises: ValueError naming the layer, before anything is changed, when a merged weight would not
        be finite, or a base weight is quantised or sharded.
    """
    attached(model)
    layers = {name: layer for name, layer in adapters(model).items() if not layer.merged}
    weights: dict[str, Tensor] = {}
    for name, layer in layers.items():
        with about(name):
            weights[name] = layer.merged_weight()
        if not keep_base:  # else the memory of both is needed anyway
            weights.clear()
    for name, layer in layers.items():
        layer.merge(keep_base, weights.get(name))


def unmerge(model: nn.Module) -> None:
    """Put every original weight back, bit for bit. Raises ValueError, before any change, when one
    is gone."""
    attached(model)
    layers = adapters(model)
    if gone := [name for name, layer in layers.items() if layer.merged and layer.kept_base is None]:
        raise ValueError(f"{gone[0]}: merged with keep_base=False, so its original weight is gone")
    for layer in layers.values():
        layer.unmerge()


def detach(model: nn.Module) -> None:
    """Take the adapters off, in place, and give every parameter its former requires_grad.

    An unmerged model is again what it was before `attach`, its modules_to_save included. A merged
    one keeps the merged weights and the trained modules: `merge` then `detach` gives a plain
    fine-tuned model.

    Raises ValueError for a merged layer of a transformers model that was tied, while the model's
    configuration still says that it is: a saved copy would be tied again when it is read.
    """
    state, layers = attached(model), adapters(model)
    untied = [name for name in state.tied if layers[name].merged]
    if untied and getattr(getattr(model, "config", None), "tie_word_embeddings", False):
        raise ValueError(
            f"{untied[0]} is merged into a weight of its own, but "
            "model.config.tie_word_embeddings is True, so a saved copy would be tied again; set it "
            "to False, or call lora.unmerge(model), first"
        )
    if not any(layer.merged for layer in layers.values()):
        with torch.no_grad():
            for key, value in state.originals.items():
                getattr(*holder(model, key)).copy_(value)
    for handle in state.hooks:
        handle.remove()
    replace_modules(model, {layer: layer.base_layer for layer in layers.values()})
    for name, parameter in model.named_parameters(remove_duplicate=False):
        parameter.requires_grad_(state.required_grad.get(name, parameter.requires_grad))
    four_bits.release(model, state.held)
    delattr(model, STATE)
    from lora import pretrained  # which imports this module

    pretrained.release(model)


def holder(model: nn.Module, key: str) -> tuple[nn.Module, str]:
    """The module that holds the tensor of this key of the model's state, and its name there."""
    path, _, name = key.rpartition(".")
    return model.get_submodule(path), name
