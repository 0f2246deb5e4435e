"""OP-LoRA: the factors of each layer are made by a small generator network, which alone is trained
(arXiv:2412.10362).

    [B, A] = W2 relu(W1 z + b1) + b2,    y = W x + b + s (B A - B0 A0) x

What is saved is B and A. The initialization of the heads, which the paper leaves open, is the
option `start`:

    "bias"     W2 = 0 and b2 the scheme's factors: step 0 is plain LoRA's with the same seed and
               scheme.
    "default"  A's head as torch draws a linear layer. Its entries have variance
               (1 + |h|^2) / (3 width) whatever the width of the model: far larger than LoRA's
               1 / (3 in), which is a confound of any comparison.
    "match"    the same, rescaled to LoRA's variance for the h that was drawn.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from lora.layer import Kind, LoRALinear
from lora.parts import Parts
from lora.schemes import Factors
from lora.variants.hypernetwork import HyperNetwork

STARTS = ("bias", "match", "default")


@dataclass(frozen=True)
class HyperNetworkOptions:
    """Options of the generator network.

    Args:
        width: of the hidden layer.
        embedding: width of z; None means the same.
        start: the initialization of the heads, "bias", "match" or "default" as above. Stored
            adapters hold this name.
    """

    width: int = 32
    embedding: int | None = None
    start: str = "bias"

    def __post_init__(self) -> None:
        for name in ("width", "embedding"):
            value = getattr(self, name)
            if not (name == "embedding" and value is None) and (
                type(value) is not int or value < 1
            ):
                raise ValueError(f"{name} must be a positive integer, got {value!r}")
        if self.start not in STARTS:
            raise ValueError(f"start must be one of {', '.join(STARTS)}, got {self.start!r}")


class GeneratedLinear(LoRALinear):
    """The common base of the variants whose B and A a generator network makes."""

    Options = HyperNetworkOptions

    @classmethod
    def check(cls, options: HyperNetworkOptions, scheme: str, train_a: bool, train_b: bool) -> None:
        if not (train_a and train_b):
            raise ValueError(
                "a generated factor cannot be frozen: train_a and train_b must be True"
            )
        if options.start != "bias" and scheme != "init_a":
            raise ValueError(
                f"start = {options.start!r} draws A itself and keeps B = 0: it needs scheme "
                f"'init_a', got {scheme!r}"
            )

    def __init__(
        self,
        base_layer: nn.Module,
        factors: Factors,
        scale: float,
        frozen: Factors | None = None,
        dropout: float = 0.0,
        train_a: bool = True,
        train_b: bool = True,
        rng: torch.Generator | None = None,
        options: HyperNetworkOptions = HyperNetworkOptions(),
    ) -> None:
        """The layer whose network makes these factors at first; arguments as `FactoredLinear`."""
        self.check(options, "init_a", train_a, train_b)
        super().__init__(base_layer, scale, frozen, dropout)
        rng = torch.Generator().manual_seed(0) if rng is None else rng
        values = factors._asdict() | self.more_values(factors.B)
        self.generator = HyperNetwork(
            values, options.width, options.embedding or options.width, rng
        )
        if options.start != "bias":
            _redraw(
                self.generator, "A", factors.A.shape[1] if options.start == "match" else None, rng
            )

    def more_values(self, like: Tensor) -> dict[str, Tensor]:
        """Initial values of what the network makes besides B and A."""
        return {}

    @property
    def B(self) -> Tensor:  # type: ignore[override]
        return self.generator()["B"]

    @property
    def A(self) -> Tensor:  # type: ignore[override]
        return self.generator()["A"]

    def parts(self) -> Parts:
        values = self.generator()
        return Parts(values["B"], values["A"])

    def trained(self) -> Iterator[tuple[Kind, nn.Parameter]]:
        B = {id(p) for p in self.generator.head("B").parameters()}
        for parameter in self.generator.parameters():
            yield ("generator of B" if id(parameter) in B else "generator"), parameter


@final
class Overparam(GeneratedLinear):
    """Attributes besides those of every layer: `generator`. `B` and `A` are its values, not
    parameters."""


@torch.no_grad()
def _redraw(generator: HyperNetwork, name: str, fan_in: int | None, rng: torch.Generator) -> None:
    head = generator.head(name)
    width = head.weight.shape[1]
    size = 1 / math.sqrt(width)
    if fan_in is not None:  # Var(theta | h) = size^2 (1 + |h|^2) / 3, wanted is 1 / (3 fan_in)
        size = float(1 / (fan_in * (1 + generator.hidden().square().sum())).sqrt())
    for parameter in (head.weight, head.bias):
        unit = 2 * torch.rand(parameter.shape, generator=rng, dtype=parameter.dtype) - 1
        parameter.copy_(size * unit)


@contextmanager
def accumulate(model: nn.Module) -> Iterator[None]:
    """Gather the gradients of several backward passes at B and A, and go through each generator
    network once, on leaving.

        with lora.accumulate(model):
            for batch in micro_batches:
                loss(model, batch).backward()
        optimizer.step()

    The gradients are those of the same loop without it. Other variants are not touched, and after
    an exception nothing is propagated. Raises ValueError where the parameters changed within.
    """
    generators = [module for module in model.modules() if isinstance(module, HyperNetwork)]
    try:
        for generator in generators:
            generator.begin()
        yield
        for generator in generators:
            generator.end()
    finally:
        for generator in generators:
            generator.leaves = None
