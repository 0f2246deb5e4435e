"""The tasks: every file of this folder is one, found by its name; it defines TASK."""

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

from loralab.names import check_known

if TYPE_CHECKING:
    from scaling.core.config import Config
    from scaling.core.task import Task

TASKS = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def find(name: str) -> "Task":
    """The task of this name; raises ValueError for an unknown one."""
    check(name)
    return importlib.import_module(f"scaling.tasks.{name}").TASK


def check(name: str) -> None:
    """Raise ValueError for an unknown task."""
    check_known("task", name, TASKS)


def configured(config: "Config | None", settings: dict[str, Any]) -> "Config":
    """The run of these settings. What they leave open is as in `config` or, without one, as their
    task has it by default for data of its own (`Task.defaults`). Raises ValueError for wrong
    settings."""
    from scaling.core.config import Config

    if config is not None:
        return config.replace(**settings)
    task = find(str(settings.get("task", Config().data.task)))
    own = task.defaults(settings) if settings.get("train") is None else {}
    options, given = own.pop("task_options", {}), settings.get("task_options", {})
    if options and isinstance(given, dict):
        own["task_options"] = options | given
        settings = {name: value for name, value in settings.items() if name != "task_options"}
    return Config.of(**own | settings)
