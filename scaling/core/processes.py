"""The processes of a run: one, or those that torchrun started, with one device each.

Importing this file loads no torch; what they do to a model is in scaling.core.placement.
"""

import os
from collections.abc import Callable
from typing import Any, TypeVar

Value = TypeVar("Value")


def launched() -> int:
    """How many processes torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    return os.environ.get("RANK", "0") == "0"


def say(line: str) -> None:
    """Print a line, once for all processes; nothing where it is empty."""
    if line and is_first():
        print(line, flush=True)


def join() -> Any:
    """accelerate's PartialState, with the process group begun where there are several processes."""
    import torch
    from accelerate import PartialState

    return PartialState(cpu=not torch.cuda.is_available())


def by_first(act: Callable[[], Value]) -> Value:
    """What the first process alone does, known to all: its value, or the ValueError that it
    raises."""
    if launched() == 1:
        return act()
    join()
    outcome: tuple[Value | None, str | None] = (None, None)
    if is_first():
        try:
            outcome = (act(), None)
        except ValueError as error:
            outcome = (None, str(error))
    from lora.processes import of_first

    value, error = of_first(outcome)
    if error is not None:
        raise ValueError(error)
    return value  # type: ignore[return-value]
