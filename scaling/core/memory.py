"""What to do when memory runs out: the same with fewer examples at once."""

from collections.abc import Callable
from typing import TypeVar

import torch
from accelerate.utils.memory import should_reduce_batch_size

Result = TypeVar("Result")


def shrinking(act: Callable[[int], Result], size: int) -> Result:
    """What act(size) gives, with the size halved as often as memory runs out, down to one."""
    while True:
        try:
            return act(size)
        except RuntimeError as error:
            if size == 1 or not should_reduce_batch_size(error):
                raise
        size //= 2
        free()


def free() -> None:
    """Give back what the device's allocator keeps, where it has one."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
