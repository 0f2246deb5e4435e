"""The tasks: every file of this folder is one, found by its name; it defines TASK."""

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scaling.core.task import Task

TASKS = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def find(name: str) -> "Task":
    """The task of this name; raises ValueError for an unknown one."""
    if name not in TASKS:
        from lora.patterns import suggestion

        hint = suggestion(name, TASKS) or f"; known: {', '.join(TASKS)}"
        raise ValueError(f"unknown task {name!r}{hint}")
    return importlib.import_module(f"scaling.tasks.{name}").TASK
