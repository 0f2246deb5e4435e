"""A layer that is cast to another type: the base weight follows, and what is trained does not."""

from collections.abc import Callable

from torch import Tensor, nn

from lora.bases import base_of
from lora.processes import is_sharded


def in_float32(fn: Callable[[Tensor], Tensor], tensor: Tensor) -> Tensor:
    """fn(tensor), but where that is half precision the tensor as it was, on the new device."""
    new = fn(tensor)
    return tensor.to(new.device) if new.is_floating_point() and new.itemsize < 4 else new


def stored(base: nn.Module) -> Tensor | None:
    """The base weight as (out, in) where it is stored as such: its present memory."""
    kind = base_of(base)
    return None if kind.quantised or is_sharded(base.weight) else kind.weight(base).detach()  # type: ignore[arg-type]
