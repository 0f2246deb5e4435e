"""bitsandbytes' Linear4bit on a CPU.

On a processor that multiplies bfloat16 by itself, a forward in eval mode packs the weight anew, in
place: its scales are rounded, and from then on no gradient passes the layer. The first changes the
base weight, the second ends the training of all adapters before it, and bitsandbytes says neither;
so `hold` has the layers of a model with adapters stay as they are, and `check` refuses those that
have been packed.
"""

import copy
import sys
from collections.abc import Collection
from typing import Any

from torch import Tensor, nn

PACKS = "support_avx512bf16_for_cpu"  # bitsandbytes' attribute


def includes(module: nn.Module) -> bool:
    """Whether this is such a layer; its class is looked up, never imported: there can be one only
    where that is loaded."""
    loaded = sys.modules.get("bitsandbytes.nn")
    return loaded is not None and isinstance(module, loaded.Linear4bit)


def packed_anew(module: Any) -> bool:
    return bool(getattr(module.weight.quant_state, "packing_format_for_cpu", False))


def dequantised(module: Any) -> Tensor:
    """W, of a layer that has been packed anew too."""
    functional, state = sys.modules["bitsandbytes"].functional, module.weight.quant_state
    packed = module.weight.data
    if packed_anew(module):
        # Its own inverse is lossy, or leaves the scales transposed: given a state that was not
        # nested it touches none of them.
        state = copy.copy(state)
        scales, state.original_nested = state.absmax, False
        packed, state = functional._convert_weight_packed_for_cpu_inverse(packed, state)
        state.absmax = scales.mT.reshape(-1).float()
    return functional.dequantize_4bit(packed, state)


def fault(module: Any) -> str | None:
    if module.weight.quant_state is None or module.weight.is_meta:
        return "it is not quantised yet: move the model to its device first"
    return None


def check(model: nn.Module) -> None:
    """Raise ValueError, naming the layer, for a model in which no gradient passes a layer."""
    for name, module in model.named_modules():
        if includes(module) and packed_anew(module):
            raise ValueError(
                f"{name}: a forward in eval mode has packed its four bits anew for this processor, "
                "and no gradient passes it any more; load the model again, and put the adapters on "
                "before it runs"
            )


def hold(model: nn.Module) -> tuple[str, ...]:
    """Have no forward pack a layer of the model anew; gives the names of those that one would
    have."""
    found = []
    for name, module in model.named_modules():
        if includes(module) and getattr(module, PACKS, False):
            setattr(module, PACKS, False)
            found.append(name)
    return tuple(found)


def release(model: nn.Module, names: Collection[str]) -> None:
    """Undo `hold`."""
    for name, module in model.named_modules():
        if name in names and includes(module):
            setattr(module, PACKS, True)
