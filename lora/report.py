"""What `attach` and `load` did, layer by layer."""

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
    """

    name: str
    shape: tuple[int, int]
    rank: int
    scale: float
    path: str


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
            lines.append(
                f"  {layer.name:{width}}  {size:>11}  rank {layer.rank}  scale {layer.scale:g}  "
                f"{layer.path}"
            )
        lines += [f"  skipped {name}: {reason}" for name, reason in self.skipped.items()]
        return "\n".join(lines)


def report_of(
    model: nn.Module, config: Config, layers: dict[str, LoRALinear], skipped: dict[str, str]
) -> Report:
    """Describe a model as it stands, with `skipped` from `lora.targets`."""
    rows = tuple(
        LayerReport(
            name, (layer.out_features, layer.in_features), layer.rank, layer.scale, layer.path
        )
        for name, layer in layers.items()
    )
    parameters = list(model.parameters())
    trainable = sum(p.numel() for p in parameters if p.requires_grad)
    return Report(
        config.scheme, config.variant, rows, skipped, trainable, sum(p.numel() for p in parameters)
    )
