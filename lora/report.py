"""What `attach` and `load` did, layer by layer."""

import math
from dataclasses import dataclass

from torch import nn

from lora.config import Config
from lora.layer import LoRALinear


@dataclass(frozen=True)
class LayerReport:
    """One adapted layer.

    Args:
        name: in the model.
        shape: of W, (out, in).
        rank: r of its factors.
        scale: s.
        path: how its forward is computed, and why when it is not fused.
        added: the columns that `lora.save` adds to its factors: r for a frozen pair, and those of
            the variant. PEFT reads a plain adapter of `saved_rank`.
    """

    name: str
    shape: tuple[int, int]
    rank: int
    scale: float
    path: str
    added: int = 0

    @property
    def saved_rank(self) -> int:
        return self.rank + self.added


@dataclass(frozen=True)
class Report:
    """What was adapted; `print` it for one line a layer.

    Args:
        scheme: the initialization.
        variant: the variant of the adapters.
        layers: the adapted layers.
        skipped: every other layer with a matrix of weights, and the reason.
        trainable: how many numbers are trained, the modules_to_save included.
        total: how many numbers all parameters have.
    """

    scheme: str
    variant: str
    layers: tuple[LayerReport, ...]
    skipped: dict[str, str]
    trainable: int
    total: int

    def __str__(self) -> str:
        width = max(len(layer.name) for layer in self.layers)
        lines = [
            f"{self.scheme}, {self.variant}: {len(self.layers)} layers, "
            f"{self.trainable:,} of {self.total:,} parameters are trained "
            f"({self.trainable / self.total:.2%})"
        ]
        for layer in self.layers:
            size = "x".join(map(str, layer.shape))
            saved = f" (saved as {layer.saved_rank})" if layer.added else ""
            lines.append(
                f"  {layer.name:{width}}  {size:>11}  rank {layer.rank}{saved}  "
                f"scale {layer.scale:g}  {layer.path}"
            )
        lines += [f"  skipped {name}: {reason}" for name, reason in self.skipped.items()]
        return "\n".join(lines)


def exported_rank(layer: LoRALinear) -> int:
    """The rank of `layer.exported()`."""
    more = layer.extension()
    return layer.rank * (1 if layer.B0 is None else 2) + (0 if more is None else len(more[1]))


def report_of(
    model: nn.Module, config: Config, layers: dict[str, LoRALinear], skipped: dict[str, str]
) -> Report:
    """Describe a model as it stands, with `skipped` from `lora.targets`."""
    rows = tuple(
        LayerReport(
            name,
            (layer.out_features, layer.in_features),
            layer.rank,
            layer.scale,
            layer.path,
            exported_rank(layer) - layer.rank,
        )
        for name, layer in layers.items()
    )
    parameters = list(model.parameters())
    trainable = sum(numbers(p) for p in parameters if p.requires_grad)
    total = sum(map(numbers, parameters))
    return Report(config.scheme, config.variant, rows, skipped, trainable, total)


def numbers(parameter: nn.Parameter) -> int:
    """How many numbers a parameter stands for: bitsandbytes packs two into each that it holds."""
    state = getattr(parameter, "quant_state", None)
    return parameter.numel() if state is None else math.prod(state.shape)
