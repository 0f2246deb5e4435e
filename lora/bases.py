"""The kinds of layer that can carry an adapter: all compute W x + b, and differ in how they hold W
and read x.

    Linear, Conv1D     W dense, stored as (out, in) or as its transpose
    Embedding          W dense, stored as its transpose (vocabulary, dim); x is one-hot and given by
                       its index
    quantised          W in a packed form that only the layer itself can multiply by, and unpack

On one-hot inputs the scheme `init_a` makes A x small, of size sqrt(r / (3 vocabulary)): `init_b` (A
= 0, B random) is what other libraries use for embeddings.

A layer whose own forward is another one (a subclass that rescales its output, say) is of none of
these kinds.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lora import four_bits, obstacles
from lora.processes import is_sharded, whole


@runtime_checkable
class QuantisedLinear(Protocol):
    """What a quantised layer y = W x + b must offer to be adapted; a bias must be its attribute
    `bias`.

    W is read for initialization, DoRA and Dash, and is never written: such a layer is not merged.
    """

    in_features: int
    out_features: int

    def dequantised_weight(self) -> Tensor:
        """W as (out, in), a tensor of its own."""
        ...

    def forward(self, x: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Base:
    """One kind of base layer: `name` for messages, and how W is found."""

    name: str
    includes: Callable[[Any], bool]
    weight: Callable[[Any], Tensor]
    """W as (out, in), a view where W is dense"""
    transposed: bool = False
    """whether `module.weight` holds W^T"""
    quantised: bool = False
    reads_ids: bool = False
    """whether x is one-hot, given by its index"""
    keys: tuple[str, str] = ("lora_A.weight", "lora_B.weight")
    """what PEFT calls the factors on disk"""
    fault: Callable[[Any], str | None] = lambda module: obstacles.fault(module.weight)
    """why such a layer cannot be adapted as it stands, which the user can mend"""


def _is_linear(module: nn.Module) -> bool:
    # The output projection inside nn.MultiheadAttention is a Linear by type, but its forward is
    # never called.
    own = type(module).forward is nn.Linear.forward and isinstance(module, nn.Linear)
    return own and not isinstance(module, nn.modules.linear.NonDynamicallyQuantizableLinear)


def _of(library: str, name: str) -> Callable[[nn.Module], bool]:
    """Whether a module is of a class that is looked up, never imported: it can be only where that
    is loaded."""

    def includes(module: nn.Module) -> bool:
        loaded = sys.modules.get(library)
        return loaded is not None and isinstance(module, getattr(loaded, name))

    return includes


def _rows(module: Any) -> Tensor | None:
    """The scales of bitsandbytes' rows of eight bits; they move at the first forward."""
    return module.weight.SCB if module.weight.SCB is not None else module.state.SCB


def _eight_bits(module: Any) -> Tensor:
    unpack = sys.modules["bitsandbytes"].functional.int8_vectorwise_dequant
    return unpack(module.weight.data, _rows(module))


def _eight_bits_fault(module: Any) -> str | None:
    if _rows(module) is None or module.weight.is_meta:
        return (
            "it is not quantised yet: build it with has_fp16_weights=False and move it to its "
            "device"
        )
    return None


def _is_torchao(module: Any) -> bool:
    loaded = sys.modules.get("torchao.utils")
    return (
        loaded is not None
        and _is_linear(module)
        and isinstance(module.weight, loaded.TorchAOBaseTensor)
    )


def _torchao_fault(module: Any) -> str | None:
    weight = module.weight
    if weight.is_meta:
        return obstacles.fault(weight)
    kind = f"its weight is torchao's {type(weight).__name__}"
    if type(weight).dequantize is Tensor.dequantize:
        return f"{kind}, which cannot be dequantised; choose a weight-only config of int8 or intx"
    with torch.inference_mode(False), torch.enable_grad():
        x = torch.ones(
            1, weight.shape[1], dtype=weight.dtype, device=weight.device, requires_grad=True
        )
        if not F.linear(x, weight.detach()).requires_grad:
            return (
                f"{kind}, which quantises its inputs too and passes no gradient to the layers "
                "before it; choose a weight-only config"
            )
    return None


def _offers_quantised(module: nn.Module) -> bool:
    # the first is what most modules lack, and the second takes ten times as long
    return hasattr(type(module), "dequantised_weight") and isinstance(module, QuantisedLinear)


CONV1D = Base(
    "transformers' Conv1D",
    _of("transformers.pytorch_utils", "Conv1D"),
    lambda module: module.weight.mT,
    transposed=True,
)
LINEAR = Base(
    "torch.nn.Linear",
    lambda module: _is_linear(module) and not _is_torchao(module),
    lambda module: module.weight,
)

BASES = (
    LINEAR,
    CONV1D,
    Base(
        "torch.nn.Embedding",
        lambda module: (
            isinstance(module, nn.Embedding) and type(module).forward is nn.Embedding.forward
        ),
        lambda module: module.weight.mT,
        transposed=True,
        reads_ids=True,
        keys=("lora_embedding_A", "lora_embedding_B"),
    ),
    Base(
        "bitsandbytes' Linear4bit",
        four_bits.includes,
        four_bits.dequantised,
        quantised=True,
        fault=four_bits.fault,
    ),
    Base(
        "bitsandbytes' Linear8bitLt",
        _of("bitsandbytes.nn", "Linear8bitLt"),
        _eight_bits,
        quantised=True,
        fault=_eight_bits_fault,
    ),
    Base(
        "torchao's weights in a torch.nn.Linear",
        _is_torchao,
        lambda module: module.weight.dequantize(),
        quantised=True,
        fault=_torchao_fault,
    ),
    Base(
        "a lora.bases.QuantisedLinear",
        _offers_quantised,
        lambda module: module.dequantised_weight(),
        quantised=True,
        fault=lambda module: None,
    ),
)


def find_base(module: nn.Module) -> Base | None:
    if type(module) is nn.Linear and type(module.weight) is nn.Parameter:
        return LINEAR  # by far the most common, and every forward asks
    for base in BASES:
        if base.includes(module):
            return base
    return None


def base_of(module: nn.Module, name: str = "it") -> Base:
    """The kind of a layer that can carry an adapter; raises ValueError for any other, which is
    called `name`."""
    base = find_base(module)
    if base is None:
        kind = type(module).__name__
        if library := obstacles.packer(module):
            raise ValueError(
                f"{name} is a {kind} of {library}, whose quantised weight cannot be read; quantise "
                "the model with bitsandbytes or torchao (weight only), load it unquantised, or "
                "give the layer the attributes of lora.bases.QuantisedLinear"
            )
        known = ", ".join(base.name for base in BASES)
        raise ValueError(f"{name} is a {kind}, which is not supported; supported are {known}")
    return base


def check_ready(module: Any, name: str) -> None:
    """Raise ValueError, naming the layer, where one of a known kind cannot be adapted as it
    stands. Other than an `obstacle` this is of the model's state: to pass over the layer would
    leave out what the user did not mean to."""
    base = base_of(module, name)
    if obstacle(module) is None and (why := base.fault(module)):
        raise ValueError(f"{name} cannot be adapted: {why}")


def obstacle(module: Any) -> str | None:
    """Why a layer of a known kind can never be adapted, if so."""
    base = base_of(module)
    if base.quantised:
        return None
    weight = module.weight
    if not isinstance(weight, nn.Parameter):
        return "its weight is computed from other parameters"
    if weight.ndim == 2 and not weight.numel():
        out, in_ = base.weight(module).shape
        return f"its weight is empty ({out}x{in_})"
    if not base.reads_ids:
        return None
    if is_sharded(weight):
        return "its weight is sharded between processes, and an embedding's must be whole"
    if module.max_norm is not None:
        return "max_norm changes its weight in each forward"
    if module.scale_grad_by_freq:
        return "scale_grad_by_freq divides the gradient of a weight, which two factors do not have"
    return None


def weight_of(module: nn.Module) -> Tensor:
    """W as (out, in): a view of a dense weight, a dequantised copy of a quantised one, and of one
    that is sharded between processes a whole copy, for which all of them must call this."""
    return whole(base_of(module).weight(module))


def shape_of(module: Any) -> tuple[int, int]:
    """(out, in)."""
    base = base_of(module)
    if base.quantised:
        return module.out_features, module.in_features
    out, in_ = base.weight(module).shape
    return out, in_


def is_conv1d(module: nn.Module) -> bool:
    return CONV1D.includes(module)


def is_dense_linear(module: nn.Module) -> bool:
    """Whether this is a layer on vectors with a dense weight: Linear or Conv1D."""
    base = find_base(module)
    return base is not None and not (base.quantised or base.reads_ids)
