"""The small adaptation tasks on real data, by name. `TASKS[name](seeds, block)` draws one problem a
seed and stacks them, so that all their runs train side by side."""

from proxies.families.gradient_signal.trials.tasks.pictures import digits, photographs
from proxies.families.gradient_signal.trials.tasks.task import Task, Update
from proxies.families.gradient_signal.trials.tasks.texts import code, docstrings

__all__ = ["TASKS", "Task", "Update"]

TASKS = {"digits": digits, "photographs": photographs, "docstrings": docstrings, "code": code}
