"""The reference pages: what mkdocstrings makes of the docstrings of every public name."""

from typing import Any

import lora
import lora.testing
from loralab import DOOR

TABLES = ("OPTIMIZERS", "SCHEMES", "VARIANTS")  # of which the pages of the methods speak
COMMANDS = ("finetune", "sweep", "advise", "init", "models")
TESTING = ("check_scheme", "check_round_trip")
INTRODUCTIONS = {
    "lora": "The adapter library. `import lora` needs torch, safetensors and jaxtyping. The "
    "tables `lora.SCHEMES`, `lora.VARIANTS` and `lora.OPTIMIZERS` map names to what "
    "[Methods](../methods/index.md) describes.",
    "lora.testing": "The tests that every scheme passes, for a scheme of your own.",
    "loralab": "The commands as functions. Each takes the flags of its command as keyword "
    "arguments (`--lr 1e-3` is `lr=1e-3`), or objects that you hold, and returns what the command "
    "prints. They need the extra `llm`.",
}


def pages() -> dict[str, str]:
    """A page for the library, its tests and the commands."""
    library = sorted({*lora.__all__} - {*TABLES}, key=str.lower)
    return {
        "api/lora.md": page("lora", {f"lora.{name}": path(lora, name) for name in library}),
        "api/testing.md": page(
            "lora.testing", {name: path(lora.testing, name) for name in TESTING}
        ),
        "api/loralab.md": page(
            "loralab", {f"loralab.{name}": f"{DOOR[name]}.{name}" for name in COMMANDS}
        ),
    }


def path(module: Any, name: str) -> str:
    """Where a name is defined: some modules of the library are called as what they define."""
    found = getattr(module, name)
    return f"{found.__module__}.{found.__qualname__}"


def page(title: str, names: dict[str, str]) -> str:
    """A page of these names, each with the place where it is defined."""
    parts = [
        f'::: {place}\n    options:\n      heading: "{name}"\n      toc_label: "{name}"\n'
        for name, place in names.items()
    ]
    return "\n".join([f"# {title}\n\n{INTRODUCTIONS[title]}\n", *parts])
