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

import copy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

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


def _four_bits(module: Any) -> Tensor:
    if module.weight.quant_state is None:
        raise ValueError("it is not quantised yet: move the model to its device first")
    unpack = sys.modules["bitsandbytes"].functional.dequantize_4bit
    return unpack(module.weight.data, module.weight.quant_state)


def _eight_bits(module: Any) -> Tensor:
    # it moves at the first forward
    rows = module.weight.SCB if module.weight.SCB is not None else module.state.SCB
    if rows is None:
        raise ValueError(
            "it is not quantised yet: build it with has_fp16_weights=False and move it to its "
            "device"
        )
    return sys.modules["bitsandbytes"].functional.int8_vectorwise_dequant(module.weight.data, rows)


BASES = (
    Base("torch.nn.Linear", _is_linear, lambda module: module.weight),
    Base(
        "transformers' Conv1D",
        _of("transformers.pytorch_utils", "Conv1D"),
        lambda module: module.weight.mT,
        transposed=True,
    ),
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
        "bitsandbytes' Linear4bit", _of("bitsandbytes.nn", "Linear4bit"), _four_bits, quantised=True
    ),
    Base(
        "bitsandbytes' Linear8bitLt",
        _of("bitsandbytes.nn", "Linear8bitLt"),
        _eight_bits,
        quantised=True,
    ),
    Base(
        "a lora.bases.QuantisedLinear",
        lambda module: isinstance(module, QuantisedLinear),
        lambda module: module.dequantised_weight(),
        quantised=True,
    ),
)


def find_base(module: nn.Module) -> Base | None:
    for base in BASES:
        if base.includes(module):
            return base
    return None


def base_of(module: nn.Module, name: str = "it") -> Base:
    """The kind of a layer that can carry an adapter; raises ValueError for any other, which is
    called `name`."""
    base = find_base(module)
    if base is None:
        known = ", ".join(base.name for base in BASES)
        raise ValueError(
            f"{name} is a {type(module).__name__}, which is not supported; supported are {known}"
        )
    return base


def obstacle(module: Any) -> str | None:
    """Why a layer of a known kind can still not be adapted, if so."""
    base = base_of(module)
    if not base.quantised and not isinstance(module.weight, nn.Parameter):
        return "its weight is computed from other parameters"
    if base.reads_ids and is_sharded(module.weight):
        return "its weight is sharded between processes, and an embedding's must be whole"
    if base.reads_ids and module.max_norm is not None:
        return "max_norm changes its weight in each forward"
    if base.reads_ids and module.scale_grad_by_freq:
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
    return BASES[1].includes(module)


def is_dense_linear(module: nn.Module) -> bool:
    """Whether this is a layer on vectors with a dense weight: Linear or Conv1D."""
    base = find_base(module)
    return base is not None and not (base.quantised or base.reads_ids)


def holding(base: nn.Module, weight: Tensor) -> nn.Module:
    """A twin of a layer that has this weight, and shares all else with it."""
    if "forward" in vars(base):  # accelerate's, which is bound to the layer: the twin needs its own
        shared: Any = {id(t): t for t in (*base.parameters(), *base.buffers())}
        twin = copy.deepcopy(base, shared)
    else:
        twin = copy.copy(base)
        twin._parameters = dict(base._parameters)
    twin.weight = nn.Parameter(weight, requires_grad=False)
    return twin
