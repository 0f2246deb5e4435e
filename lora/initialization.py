"""What a data-driven scheme sees of the layers that it is to start, and the ranks that follow from
it."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from lora.bases import shape_of
from lora.collect import collect
from lora.config import Config
from lora.processes import of_first
from lora.ranks import SCORES, Sharing, redistributed
from lora.schemes import SCHEMES
from lora.statistics import Statistics

COLLECTING = [
    p.name for p in inspect.signature(collect).parameters.values() if p.kind is p.KEYWORD_ONLY
]


def learned(
    model: nn.Module,
    layers: Mapping[str, nn.Module],
    config: Config,
    batches: Iterable[Any] | None,
    loss_fn: Callable[[nn.Module, Any], Tensor] | None,
    stats: Mapping[str, Statistics] | None,
    collecting: Mapping[str, Any],
) -> tuple[Config, Mapping[str, Statistics]]:
    """The config with the ranks that its scheme gives these layers, and the statistics of each:
    those of `stats`, or of one pass over the batches by `lora.collect` with the keywords
    `collecting`. Schemes that need no data get none.

    Raises ValueError for options that are impossible, before the pass; for batches and stats both
    or neither; and naming the layer that stats lack or do not fit.
    """
    if unknown := [key for key in collecting if key not in COLLECTING]:
        raise ValueError(
            f"unknown argument {unknown[0]!r}; lora.collect takes {', '.join(COLLECTING)}"
        )
    needs = SCHEMES[config.scheme].needs
    if needs not in ("inputs", "gradient"):
        return config, {}
    sharing = Sharing.of(config)
    if (batches is None) == (stats is None):
        raise ValueError(
            f"scheme {config.scheme!r} needs batches, or stats from lora.collect, and not both"
        )
    shapes = {name: shape_of(module) for name, module in layers.items()}
    if batches is not None:
        # a scheme that is about leading axes alone says how many: wide inputs then cost little
        axes = max(sharing.components(config, shapes).values()) if config.scheme in SCORES else None
        stats = collect(model, layers, batches, needs, loss_fn, **{"axes": axes, **collecting})
    assert stats is not None
    for name, (_, width) in shapes.items():
        if name not in stats:
            raise ValueError(f"{name}: stats has no statistics of this layer")
        if len(stats[name].mean) != width:
            raise ValueError(
                f"{name}: its inputs are {width} wide, those of stats {len(stats[name].mean)}"
            )
    return of_first(redistributed(config, {name: stats[name] for name in shapes}, shapes)), stats
