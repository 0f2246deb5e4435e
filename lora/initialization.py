"""From a config to the factors of each layer: statistics, the ranks that follow from them, and the
scheme."""

import hashlib
import inspect
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Generator, Tensor, nn

from lora.bases import shape_of, weight_of
from lora.collect import collect
from lora.config import Config
from lora.processes import of_first, several
from lora.ranks import Sharing, redistributed
from lora.schemes import SCHEMES, Factors, Scheme
from lora.statistics import Statistics
from lora.stopping import TOLERANCE
from lora.targets import check_vectors, targets
from lora.variants import VARIANTS

COLLECTING = [
    p.name for p in inspect.signature(collect).parameters.values() if p.kind is p.KEYWORD_ONLY
]


def statistics_for(
    model: nn.Module,
    config: Config,
    batches: Iterable[Any],
    loss_fn: Callable[[nn.Module, Any], Tensor] | None = None,
    also: Collection[str] = (),
    **collecting: Any,
) -> Mapping[str, Statistics]:
    """The statistics by layer that `lora.attach` would collect; none where the scheme needs none.

    `lora.attach(model, config, stats=...)` then takes them without another pass over data.

    Args:
        model: the model to adapt, without adapters; it is left as it is.
        config: the config that `attach` will be given.
        batches: the probe batches, as for `attach`.
        loss_fn: loss_fn(model, batch), for schemes that need gradients.
        also: what else to gather in the same pass, as `need` of `lora.collect`.
        collecting: keywords of `lora.collect`.

    Raises: ValueError as `attach`.
    """
    layers = targets(model, config)[0]
    return prepare(model, layers, config, batches, loss_fn, also=also, **collecting)[1]


def prepare(
    model: nn.Module,
    layers: Mapping[str, nn.Module],
    config: Config,
    batches: Iterable[Any] | None = None,
    loss_fn: Callable[[nn.Module, Any], Tensor] | None = None,
    stats: Mapping[str, Statistics] | None = None,
    also: Collection[str] = (),
    **collecting: Any,
) -> tuple[Config, Mapping[str, Statistics]]:
    """The config with the ranks that its scheme gives these layers, and the layers' statistics.

    Args:
        model: the model of the layers.
        layers: the layers to adapt, by name.
        config: what the user asked for.
        batches: probe batches for one pass by `lora.collect`, or None. A scheme that reads the
            inputs' leading axes alone ends it where more tokens would gain less than `TOLERANCE`
            of the variance that they capture, by an estimate; `tolerance=None` reads them all.
        loss_fn: as for `lora.collect`.
        stats: what an earlier pass gave, in place of batches.
        also: what to gather besides what the scheme reads.
        collecting: keywords of `lora.collect`.

    Returns: the same config and {} for a scheme that needs no data.
    Raises: ValueError as `check`, before the pass; for batches and stats both or neither; and
        naming the layer that stats lack or do not fit.
    """
    shapes = {name: shape_of(module) for name, module in layers.items()}
    check(config, shapes)
    if unknown := [key for key in collecting if key not in COLLECTING]:
        raise ValueError(
            f"unknown argument {unknown[0]!r}; lora.collect takes {', '.join(COLLECTING)}"
        )
    scheme = SCHEMES[config.scheme]
    if not scheme.needs_data:
        return config, {}
    check_vectors(layers, config.scheme)
    sharing = Sharing.of(config)
    if (batches is None) == (stats is None):
        raise ValueError(
            f"scheme {config.scheme!r} needs batches, or stats from lora.collect, and not both"
        )
    if batches is not None:
        # a scheme that is about leading axes alone says how many: wide inputs then cost little
        axes = max(sharing.components(config, shapes).values()) if scheme.sharing else None
        settings = {"axes": axes, **collecting}
        # of several processes one that ends its pass early would leave the others waiting
        if scheme.need == "inputs" and settings["axes"] is not None and not several():
            settings.setdefault("tolerance", TOLERANCE)
        stats = collect(model, layers, batches, {scheme.need, *also}, loss_fn, **settings)
    if not isinstance(stats, Mapping):
        raise ValueError(
            "stats must be a mapping from layer names to lora.Statistics, got "
            f"{type(stats).__name__}"
        )
    for name, (_, width) in shapes.items():
        if name not in stats:
            raise ValueError(f"{name}: stats has no statistics of this layer")
        if not isinstance(stats[name], Statistics):
            kind = type(stats[name]).__name__
            raise ValueError(f"{name}: stats must hold lora.Statistics, got {kind}")
        if len(stats[name].mean) != width:
            raise ValueError(
                f"{name}: its inputs are {width} wide, those of stats {len(stats[name].mean)}"
            )
    return of_first(redistributed(config, {name: stats[name] for name in shapes}, shapes)), stats


def check(config: Config, shapes: Mapping[str, tuple[int, int]]) -> None:
    """Raise ValueError, naming the layer, for all that a config asks of layers of these shapes
    (out, in) and that they cannot have, whatever their weights and the data are."""
    scheme, variant = SCHEMES[config.scheme], VARIANTS[config.variant]
    scheme.check_options(config.scheme_options)
    Sharing.of(config)
    options = config.options()
    for name, shape in shapes.items():
        try:
            scheme.check_rank(config.rank_of(name), shape)
            variant.check_shape(options, shape)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error


def initial_factors(
    scheme: Scheme, config: Config, name: str, module: nn.Module, stats: Statistics | None
) -> Factors:
    """The factors that a scheme gives one layer, in float32 at least. Its warnings name the layer.

    Args:
        scheme: the scheme, with the config's `scheme_options`.
        config: the layer's rank and scale, and the seed.
        name: the layer's name, which chooses its random stream.
        module: the base layer.
        stats: the layer's statistics, for a scheme that needs data.

    Raises: ValueError as the scheme.
    """
    W, rank = weight_of(module).detach(), config.rank_of(name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        factors = scheme(
            W.to(torch.promote_types(W.dtype, torch.float32)),  # masters in float32 at least
            rank,
            layer_rng(config.seed, name),
            stats,
            scale=config.scale_of(name, rank),
            **config.scheme_options,
        )
    for warning in caught:
        warnings.warn(f"{name}: {warning.message}", stacklevel=5)
    return factors


def layer_rng(seed: int, name: str) -> Generator:
    """The random stream of one layer: adding or leaving out another layer does not change it."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    return Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
