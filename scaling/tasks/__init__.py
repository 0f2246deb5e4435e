"""The tasks: every file of this folder is one, found by its name; it defines TASK."""

import importlib
import pkgutil
from typing import TYPE_CHECKING

from loralab.flags import check_known

if TYPE_CHECKING:
    from scaling.core.task import Task

TASKS = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def find(name: str) -> "Task":
    """The task of this name; raises ValueError for an unknown one."""
    check(name)
    return importlib.import_module(f"scaling.tasks.{name}").TASK


def check(name: str) -> None:
    """Raise ValueError for an unknown task."""
    check_known("task", name, TASKS)
