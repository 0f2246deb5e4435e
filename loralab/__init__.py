"""Claims as data, a run store, a ledger, a report: none of it is about LoRA.

The commands on a model are functions too: `loralab.finetune`, `.sweep`, `.advise`, `.init` and
`.models` take the command's flags as keyword arguments and return what it prints; the model and the
data may be objects that you hold. They are imported when they are used, so `import loralab` costs
nothing.
"""

import importlib
from typing import Any

__version__ = "0.2.0"

# The module of each function. This package imports nothing of what it runs: it finds it by name.
DOOR = {name: f"scaling.{name}" for name in ("advise", "finetune", "init", "sweep")}
DOOR |= {"models": "scaling.models.command"}


def __getattr__(name: str) -> Any:
    if name in DOOR:
        return getattr(importlib.import_module(DOOR[name]), name)
    raise AttributeError(f"module 'loralab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *DOOR])
