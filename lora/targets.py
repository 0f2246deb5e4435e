"""Which layers of a model are adapted, and why the others are not."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from lora.bases import base_of, check_ready, find_base, obstacle
from lora.config import Config
from lora.layer import LoRALinear
from lora.obstacles import check_model, check_without_peft, packer
from lora.patterns import matches, pattern_matches, suggestion

ALL_LINEAR = "all-linear"


def output_head(model: nn.Module) -> nn.Module | None:
    """The layer that a transformers model names as its output embeddings, if it is such a model
    with one."""
    method: Any = getattr(model, "get_output_embeddings", None)
    head: Any = method() if callable(method) else None
    return head


def targets(
    model: nn.Module, config: Config, loaded: bool = True
) -> tuple[dict[str, nn.Module], dict[str, str]]:
    """The layers to adapt by name, and for every other layer with a matrix of weights why it is
    skipped. Without `loaded` only their shapes are wanted, and the model may be on the meta device.

    Raises ValueError when a pattern names nothing, or a layer that cannot be adapted; and for a
    layer that could be adapted but for the state it is in, such as a weight that is not loaded.
    """
    check_model(model)
    check_without_peft(model)
    if not isinstance(config, Config):
        raise ValueError(f"config must be a lora.Config, got {type(config).__name__}")
    found: dict[str, nn.Module] = {}
    every = config.target_modules == ALL_LINEAR
    head = output_head(model) if every else None
    skipped = {
        name: "a parameter of the model itself" for name, p in _own_parameters(model) if p.ndim > 1
    }
    for name, module in model.named_modules():
        if not name:
            continue
        if isinstance(module, LoRALinear):
            raise ValueError(f"{name} carries an adapter already; call lora.detach(model) first")
        if any(
            matches((saved,), name) or f".{saved}." in f".{name}."
            for saved in config.modules_to_save
        ):
            reason = "in modules_to_save"
        elif config.exclude_modules and matches(config.exclude_modules, name):
            reason = "in exclude_modules"
        elif not (every or matches(config.target_modules, name)):
            reason = "not in target_modules"
        elif module is head:
            reason = "the output head"
        elif (base := find_base(module)) is None:
            if not every or packer(module):
                base_of(module, name)
            reason = f"{type(module).__name__} is not supported"
        elif base.reads_ids and every:
            reason = "an embedding, adapted only where it is named"
        elif why := obstacle(module):
            if not every:
                raise ValueError(f"{name} cannot be adapted: {why}")
            skipped[name] = why
            continue
        else:
            if loaded:
                check_ready(module, name)
            found[name] = module
            continue
        if any(parameter.ndim > 1 for _, parameter in _own_parameters(module)):
            skipped[name] = reason
    _check_names(model, config, found)
    if not config.tie:
        for name, other in tied(model, found).items():
            raise ValueError(
                f"{name} shares its weight with {other}, which the update would not reach; "
                f"exclude it, or set Config(tie=True), which adapts {name} alone and merges into a "
                "copy of its own"
            )
    return with_a_rank(found, skipped, config)


def with_a_rank(
    found: dict[str, nn.Module], skipped: dict[str, str], config: Config
) -> tuple[dict[str, nn.Module], dict[str, str]]:
    """What `targets` found, without the layers to which the config gives rank 0: they are skipped.

    Raises ValueError where no layer is left.
    """
    unranked = [name for name in found if not config.rank_of(name)]
    if len(unranked) == len(found):
        raise ValueError("every layer has rank 0: there is nothing to adapt")
    kept = {name: module for name, module in found.items() if name not in unranked}
    return kept, skipped | dict.fromkeys(unranked, "rank 0")


def tied(model: nn.Module, layers: dict[str, nn.Module]) -> dict[str, str]:
    """Of these layers those whose weight another module of the model holds too, with that module's
    name."""
    holders: dict[int, list[str]] = {}
    for name, module in model.named_modules():
        for _, parameter in _own_parameters(module):
            if parameter.ndim > 1:
                holders.setdefault(id(parameter), []).append(name)
    shared = {}
    for name, module in layers.items():
        for _, parameter in _own_parameters(module):
            if others := [holder for holder in holders.get(id(parameter), ()) if holder != name]:
                shared[name] = others[0] or "the model itself"
    return shared


def check_vectors(layers: Mapping[str, nn.Module], scheme: str) -> None:
    """Raise ValueError naming a layer that reads indices, of whose inputs a data-driven scheme can
    learn nothing."""
    for name, module in layers.items():
        if base_of(module).reads_ids:
            raise ValueError(
                f"{name} is an embedding, whose inputs are indices, not vectors: scheme "
                f"{scheme!r} has nothing to learn from; exclude it, or choose a scheme that needs "
                "no data"
            )


def _own_parameters(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, p) for name, p in module._parameters.items() if p is not None)


def _check_names(model: nn.Module, config: Config, found: dict[str, nn.Module]) -> None:
    names = tuple(name for name, _ in model.named_modules() if name)
    ends = tuple(dict.fromkeys(name.rsplit(".", 1)[-1] for name in names))
    for where in ("target_modules", "exclude_modules", "modules_to_save"):
        wanted = getattr(config, where)
        for end in () if isinstance(wanted, str) else wanted:
            if not any(matches((end,), name) for name in names):
                held = [name for name, _ in model.named_parameters() if matches((end,), name)]
                if held:
                    raise ValueError(
                        f"{where}: {held[0]} is a parameter, not a layer, which is not supported"
                    )
                raise ValueError(
                    f"{where}: the model has no module {end!r}{suggestion(end, ends + names)}"
                )
    if not found:
        raise ValueError(
            f"target_modules={config.target_modules!r} leaves no layer of the model to adapt"
        )
    for where in ("rank_pattern", "alpha_pattern"):
        for key in getattr(config, where):
            if not any(pattern_matches(key, name) for name in found):
                raise ValueError(
                    f"{where}: {key!r} matches no adapted "
                    f"layer{suggestion(key, ends + tuple(found))}"
                )


def saved_modules(model: nn.Module, config: Config) -> dict[str, nn.Module]:
    """The modules that are trained whole, by name.

    Raises ValueError for one that shares a parameter with the rest of the model, which would be
    trained with it.
    """
    if not config.modules_to_save:
        return {}
    saved = {
        name: module
        for name, module in model.named_modules()
        if matches(config.modules_to_save, name)
    }
    inside = {id(p): name for name, module in saved.items() for p in module.parameters()}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        owner = inside.get(id(parameter))
        if owner is not None and not name.startswith(f"{owner}."):
            raise ValueError(
                f"modules_to_save: {owner} shares its weight with {name}; untie them first"
            )
    return saved
